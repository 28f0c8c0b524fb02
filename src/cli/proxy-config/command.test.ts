import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configDumpText } from '../../../test/golden/proxy-config/gateway.ts';
import { run } from '../../../test/golden/proxy-config/run.ts';
import { type InstanceProxy, writeInstance } from '../instance.ts';

let home: string;
let admin: Server;
/** Path → what the admin interface answers; 404 for others. */
let answers: Record<string, string>;
let asked: string[];

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'limen-home-'));
  asked = [];
  answers = {
    '/config_dump': configDumpText([], { eds: false }),
    '/config_dump?include_eds=true': configDumpText([]),
    '/clusters?format=json': JSON.stringify({
      cluster_statuses: [
        {
          name: 'outbound|80||webapp.istioinaction.svc.cluster.local',
          host_statuses: [
            {
              address: { socket_address: { address: '10.0.0.1', port_value: 8080 } },
              health_status: { eds_health_status: 'HEALTHY', failed_outlier_check: true },
            },
            { address: { pipe: { path: '/run/x.sock' } }, health_status: { eds_health_status: 'DEGRADED' } },
            {
              address: {
                envoy_internal_address: { server_listener_name: 'connect_originate', endpoint_id: '10.0.0.9:80' },
              },
              health_status: {},
            },
          ],
        },
      ],
    }),
  };
  admin = createServer((request, response) => {
    asked.push(request.url ?? '');
    const answer = answers[request.url ?? ''];
    response.writeHead(answer === undefined ? 404 : 200).end(answer ?? 'invalid path. admin commands are:');
  });
  await new Promise<void>((ready) => admin.listen(0, '127.0.0.1', ready));
  serve([{}]);
});
afterEach(async () => {
  rmSync(home, { recursive: true, force: true });
  admin.closeAllConnections();
  await new Promise((closed) => admin.close(closed));
});

/** Makes the home say that these proxies run. */
function serve(proxies: Partial<InstanceProxy>[]): void {
  writeInstance(home, {
    pid: process.pid,
    startedAt: '',
    version: '0.1.0',
    xds: '',
    proxies: proxies.map((proxy) => ({
      workload: 'istio-ingressgateway',
      namespace: 'istio-system',
      pod: 'istio-ingressgateway-0',
      nodeId: '',
      ip: '127.0.0.1',
      admin: `127.0.0.1:${(admin.address() as AddressInfo).port}`,
      published: [],
      ...proxy,
    })),
  });
}

const pc = (...args: string[]) => run(['proxy-config', ...args], { LIMEN_HOME: home });

describe('a running proxy', () => {
  it('is asked for its config dump, whatever the form of its name', async () => {
    const { stdout, stderr, error } = await pc('listener', 'deploy/istio-ingressgateway', '-n', 'istio-system');
    expect({ stderr, error }).toEqual({ stderr: '', error: undefined });
    expect(stdout).toMatch(/^0\.0\.0\.0 +8080 +ALL +Route: http\.8080$/m);
    expect((await pc('l', 'istio-ingressgateway-0.istio-system')).stdout).toBe(stdout);
    expect(asked).toEqual(['/config_dump', '/config_dump']);
  });

  it('is named on standard error where no name was given', async () => {
    const { stdout, stderr } = await pc('routes');
    expect(stderr).toBe('(istio-ingressgateway-0.istio-system, the only proxy)\n');
    expect(stdout).toMatch(/^NAME /);
  });

  it('tells its endpoints with their health and outlier checks', async () => {
    const webapp = 'outbound|80||webapp.istioinaction.svc.cluster.local';
    const { stdout } = await pc('endpoints', 'deploy/istio-ingressgateway');
    expect(stdout.replaceAll(webapp, 'X')).toBe(
      [
        'ENDPOINT                                  STATUS       OUTLIER CHECK     CLUSTER',
        '10.0.0.1:8080                             HEALTHY      FAILED            X',
        'envoy://connect_originate/10.0.0.9:80     UNKNOWN      OK                X',
        'unix:///run/x.sock                        DEGRADED     OK                X',
        '',
      ].join('\n'),
    );
  });

  it('without any cluster has an empty table of endpoints', async () => {
    answers['/clusters?format=json'] = '{}';
    expect((await pc('ep', 'deploy/istio-ingressgateway')).stdout).toBe(
      'ENDPOINT     STATUS     OUTLIER CHECK     CLUSTER\n',
    );
  });

  it('is found through --home as well', async () => {
    const { stdout } = await run(['pc', 'l', 'istio-ingressgateway', '--home', home], { LIMEN_HOME: '/nowhere' });
    expect(stdout).toContain('Route: http.8080');
  });
});

describe('a command that fails prints nothing but', () => {
  const failure = async (...args: string[]) => {
    const { stdout, error } = await pc(...args);
    expect(stdout).toBe('');
    return error;
  };

  it('how to start Limen, where none runs', async () => {
    rmSync(join(home, 'instance.json'));
    expect(await failure('listeners')).toBe(`no Limen is running in ${home}: start one with "limen up"`);
  });

  it('the workloads there are', async () => {
    expect(await failure('listeners', 'deploy/webapp')).toBe(
      'there is no deploy/webapp; what there is: deploy/istio-ingressgateway.istio-system (pod istio-ingressgateway-0)',
    );
    serve([{}, { workload: 'my-user-gateway', pod: 'my-user-gateway-0' }]);
    expect(await failure('listeners')).toMatch(/^which proxy\? what there is: .*my-user-gateway-0/);
  });

  it('that the admin interface does not answer', async () => {
    serve([{ admin: '127.0.0.1:1' }]);
    expect(await failure('listeners')).toMatch(
      /^the admin interface of istio-ingressgateway-0\.istio-system \(http:\/\/127\.0\.0\.1:1\/config_dump\) can't be read: .*; is "limen up" still running\?$/,
    );
  });

  it('what the admin interface answered instead', async () => {
    answers = {};
    expect(await failure('listeners')).toContain("can't be read: it answered 404 invalid path");
    answers = { '/config_dump': '{"configs": [' };
    expect(await failure('listeners')).toContain('but it stops being JSON at line 1, column 14');
  });

  it.each([
    [['listeners', '--port', 'http'], "argument 'http' is invalid. expected a port number, 1 to 65535."],
    [['listeners', '--port', '70000'], 'expected a port number'],
    [['listeners', '--type', 'UDP'], 'expected one of HTTP, TCP, HTTP+TCP, UNKNOWN.'],
    [['endpoints', '--status', 'ill'], 'expected one of UNKNOWN, HEALTHY, UNHEALTHY'],
    [['clusters', '--direction', 'up'], 'expected one of inbound, outbound, inbound-vip.'],
    [['routes', '-o', 'xml'], "argument 'xml' is invalid. Allowed choices are short, json, yaml."],
    [['routes', 'a', 'b'], 'too many arguments'],
    [['tables'], "unknown command 'tables'"],
  ])('what is wrong with %j', async (args, message) => {
    expect(await failure(...args)).toContain(message);
  });
});

describe('a file', () => {
  const file = (text: string) => {
    const path = join(home, 'dump.json');
    writeFileSync(path, text);
    return path;
  };

  it('with a byte order mark is read', async () => {
    const { stdout } = await pc('listeners', '-f', file(`\ufeff${configDumpText([])}`));
    expect(stdout).toContain('Route: http.8080');
  });

  it('in lowerCamelCase is read', async () => {
    const any = { '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener' };
    const listener = { ...any, address: { socketAddress: { address: '::1', portValue: 80 } }, futureField: 1 };
    const section = {
      '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
      dynamicListeners: [{ name: 'x', activeState: { listener } }],
    };
    const { stdout } = await pc('l', '--verbose=false', '-f', file(JSON.stringify({ configs: [section] })));
    expect(stdout).toBe('ADDRESSES PORT TYPE\n::1       80   UNKNOWN\n');
  });

  it.each([
    ['', /dump\.json: expected what GET \/config_dump .* but it is empty; save one/],
    [
      'listener_manager.lds: 1',
      /dump\.json: expected .* at line 1, column 1; save one with: curl -s localhost:15000\/config_dump > dump\.json$/,
    ],
    ['{"configs": [\n  {"a": 1},\n  x', /dump\.json: expected .*, but it stops being JSON at line 3, column 3; /],
    ['[1, 2]', /dump\.json: not an Envoy config dump: expected an object with a list "configs"/],
    ['{"configs": [{"@type": 1}]}', /dump\.json: not an Envoy config dump: /],
    ['{"configs": []}', /dump\.json: no listeners found$/],
    [
      '{"cluster_statuses": []}',
      /dump\.json: this is what \/clusters answers; expected what GET \/config_dump answers$/,
    ],
  ])('that holds %j says what it is not', async (text, message) => {
    const { stdout, error } = await pc('listeners', '-f', file(text));
    expect(stdout).toBe('');
    expect(error).toMatch(message);
  });

  it('without endpoints says how to get them', async () => {
    const path = file(configDumpText([], { eds: false }));
    expect((await pc('endpoints', '-f', path)).error).toBe(
      `${path}: no endpoints in this dump: take it from /config_dump?include_eds=true or from /clusters?format=json`,
    );
  });

  it('without secrets says so and succeeds, as istioctl does', async () => {
    const { stdout, error } = await pc('secrets', '-f', file('{"configs": []}'));
    expect({ stdout, error }).toEqual({ stdout: 'No active or warming secrets found.\n', error: undefined });
  });

  it('that is not there, or is a folder, or comes with a workload, is refused', async () => {
    expect((await pc('l', '-f', join(home, 'none'))).error).toBe(`${join(home, 'none')}: there is no such file`);
    expect((await pc('l', '-f', home)).error).toBe(
      `${home} is a folder; expected a file with what GET /config_dump answers`,
    );
    expect((await pc('l', 'x', '-f', 'y')).error).toBe('either a workload (x) or --file y, not both');
  });
});

describe('from a shell', () => {
  const LIMEN = join(import.meta.dirname, '../../../bin/limen.js');
  const DUMP = join(import.meta.dirname, '../../../test/golden/proxy-config/envoy/config_dump.json');
  const shell = (script: string) =>
    spawnSync('bash', ['-c', `set -o pipefail; ${script}`, 'bash', process.execPath, LIMEN, DUMP], {
      encoding: 'utf8',
    });

  it('the dump may come through a pipe, and the answer go into one that is closed early', () => {
    const { stdout, stderr, status } = shell('cat "$3" | "$1" "$2" pc all -o json -f - | head -n 1');
    expect({ stdout, stderr, status }).toEqual({ stdout: '{\n', stderr: '', status: 0 });
  });

  it('an error is one line on standard error and exit code 1', () => {
    const { stdout, stderr, status } = shell('"$1" "$2" proxy-config routes --file /nowhere/dump.json');
    expect({ stdout, stderr, status }).toEqual({
      stdout: '',
      stderr: 'error: /nowhere/dump.json: there is no such file\n',
      status: 1,
    });
  });
});

describe('help', () => {
  it.each(['listeners', 'routes', 'clusters', 'endpoints', 'secrets', 'bootstrap', 'all'])(
    'of %s has an example',
    async (table) => {
      const { stdout, error } = await pc(table, '--help');
      expect(error).toBeUndefined();
      expect(stdout).toContain(`\nExamples:\n  limen proxy-config ${table} deploy/istio-ingressgateway`);
    },
  );
});
