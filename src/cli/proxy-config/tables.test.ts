import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gatewayCertificates } from '../../../test/golden/proxy-config/certificates.ts';
import { caSecret, configDumpText, tlsSecret } from '../../../test/golden/proxy-config/gateway.ts';
import { run } from '../../../test/golden/proxy-config/run.ts';

const GOLDEN = join(import.meta.dirname, '../../../test/golden/proxy-config');
const ENVOY_DUMP = join(GOLDEN, 'envoy/config_dump.json');
const ENVOY_CLUSTERS = join(GOLDEN, 'envoy/clusters.json');

let folder: string;
let dump: string;
let dumpWithoutEds: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'limen-dump-'));
  dump = join(folder, 'dump.json');
  dumpWithoutEds = join(folder, 'no-eds.json');
  const { webapp, expired, ca } = await gatewayCertificates();
  const secrets = [
    tlsSecret('webapp-credential', webapp.certificate),
    tlsSecret('test-cred', expired.certificate),
    caSecret('webapp-credential-mtls-cacert', ca.certificate),
  ];
  writeFileSync(dump, configDumpText(secrets));
  writeFileSync(dumpWithoutEds, configDumpText([], { eds: false }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a command prints, where it succeeds. */
async function output(...args: string[]): Promise<string> {
  const { stdout, stderr, error } = await run(['proxy-config', ...args]);
  expect({ stderr, error }).toEqual({ stderr: '', error: undefined });
  return stdout;
}

const golden = (name: string) => join(GOLDEN, name);

describe('the tables of a gateway as istiod configures it', () => {
  it.each(['listeners', 'routes', 'clusters', 'endpoints', 'eds', 'secrets', 'all'])('%s', async (table) => {
    await expect(await output(table, '-f', dump)).toMatchFileSnapshot(golden(`${table}.txt`));
  });

  it('bootstrap -o short', async () => {
    await expect(await output('bootstrap', '-o', 'short', '-f', dump)).toMatchFileSnapshot(golden('bootstrap.txt'));
  });

  it('bootstrap -o short of a proxy that is no Envoy has that one’s name', async () => {
    const node = { user_agent_name: 'limen', user_agent_version: '0.1.0' };
    const section = { '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump', bootstrap: { node } };
    const file = join(folder, 'limen.json');
    writeFileSync(file, JSON.stringify({ configs: [section] }));
    expect(await output('b', '-o', 'short', '-f', file)).toBe('Limen Version: 0.1.0\n');
  });

  it.each(['listeners', 'routes'])('%s in short, with --verbose=false', async (table) => {
    await expect(await output(table, '--verbose=false', '-f', dump)).toMatchFileSnapshot(golden(`${table}-brief.txt`));
  });

  it.each(['listeners', 'routes', 'clusters', 'endpoints', 'bootstrap'])('%s as JSON and YAML', async (table) => {
    const json = await output(table, '-o', 'json', '-f', dump);
    expect(() => JSON.parse(json) as unknown).not.toThrow();
    await expect(json).toMatchFileSnapshot(golden(`${table}.json`));
    await expect(await output(table, '-o', 'yaml', '-f', dump)).toMatchFileSnapshot(golden(`${table}.yaml`));
  });
});

describe('the tables of a real Envoy’s dump', () => {
  it.each(['listeners', 'routes', 'clusters', 'endpoints', 'eds', 'secrets', 'all'])('%s', async (table) => {
    await expect(await output(table, '-f', ENVOY_DUMP)).toMatchFileSnapshot(golden(`envoy/${table}.txt`));
  });

  it('bootstrap -o short', async () => {
    const text = await output('bootstrap', '-o', 'short', '-f', ENVOY_DUMP);
    await expect(text).toMatchFileSnapshot(golden('envoy/bootstrap.txt'));
  });

  it('endpoints of its /clusters, in three formats', async () => {
    const text = (format: string) => output('endpoints', '-o', format, '-f', ENVOY_CLUSTERS);
    await expect(await text('short')).toMatchFileSnapshot(golden('envoy/endpoints-clusters.txt'));
    await expect(await text('json')).toMatchFileSnapshot(golden('envoy/endpoints-clusters.json'));
    await expect(await text('yaml')).toMatchFileSnapshot(golden('envoy/endpoints-clusters.yaml'));
  });

  it('are those of the same resources in a dump of istiod’s shape', async () => {
    for (const table of ['listeners', 'clusters']) {
      expect(await output(table, '-f', ENVOY_DUMP)).toBe(await output(table, '-f', dump));
    }
  });

  it('keep a filter whose type is not known, as it is', async () => {
    const json = await output('listeners', '--port', '8443', '-o', 'json', '-f', ENVOY_DUMP);
    expect(JSON.parse(json)).toMatchObject([
      {
        listenerFilters: [
          {
            typedConfig: {
              '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
            },
          },
        ],
      },
    ]);
  });

  it('secrets as JSON, the private keys redacted', async () => {
    const json = await output('secrets', '-o', 'json', '-f', ENVOY_DUMP);
    await expect(json).toMatchFileSnapshot(golden('envoy/secrets.json'));
    expect(json).not.toContain('PRIVATE KEY');
    expect(json).toContain(Buffer.from('[redacted]').toString('base64'));
  });
});

describe('all', () => {
  it('as JSON is the dump as it came, which --file reads again', async () => {
    const json = await output('all', '-o', 'json', '-f', ENVOY_DUMP);
    expect(JSON.parse(json)).toEqual(JSON.parse(readFileSync(ENVOY_DUMP, 'utf8')));
    const again = join(folder, 'again.json');
    writeFileSync(again, json);
    expect(await output('all', '-f', again)).toBe(await output('all', '-f', ENVOY_DUMP));
  });

  it('says what a dump lacks and shows the rest', async () => {
    const text = await output('all', '-f', dumpWithoutEds);
    expect(text).toContain(
      '------ ENDPOINTS INFO ------\n\nno endpoints in this dump: take it from /config_dump?include_eds',
    );
    expect(text).toContain('Route: http.8080');
  });
});

describe('filters', () => {
  /** The first or a later column of a table, without its header. */
  const column = async (index: number, ...args: string[]) => {
    const lines = (await output(...args, '-f', dump)).trimEnd().split('\n').slice(1);
    return lines.map((line) => line.split(/ {2,}/)[index]);
  };
  const ports = async (...args: string[]) => {
    const lines = (await output('listeners', '--verbose=false', ...args, '-f', dump)).trimEnd().split('\n').slice(1);
    return lines.map((line) => Number(/ (\d+) /.exec(line)?.[1]));
  };

  it('listeners by port, address and type, the type in any case', async () => {
    expect(await ports('--port', '8443')).toEqual([8443]);
    expect(await ports('--address', '::')).toEqual([31400]);
    expect(await ports('--type', 'tcp')).toEqual([31400]);
    expect(await ports('--type', 'HTTP')).toEqual([8080, 15021, 15090]);
    expect(await ports('--type', 'HTTP+TCP', '--port', '8080')).toEqual([]);
  });

  it('routes by their whole name', async () => {
    const names = new Set(await column(0, 'routes', '--name', 'http.8080'));
    expect([...names]).toEqual(['http.8080']);
    expect(await column(0, 'routes', '--name', 'http')).toEqual([]);
  });

  it('clusters by port, and by parts of FQDN, subset and direction', async () => {
    expect(await column(0, 'clusters', '--fqdn', 'catalog', '--port', '8080')).toEqual([
      'catalog.istioinaction.svc.cluster.local',
    ]);
    expect(await column(2, 'clusters', '--subset', 'v2')).toEqual(['v2']);
    expect(await column(0, 'clusters', '--direction', 'inbound')).toEqual([]);
    expect(await column(0, 'clusters', '--port', '2701', '--direction', 'OUTBOUND')).toHaveLength(1);
  });

  it('endpoints by address, port, cluster and status', async () => {
    expect(await column(0, 'endpoints', '--address', '10.244.0.11')).toEqual(['10.244.0.11:3000', '10.244.0.11:8080']);
    expect(await column(0, 'endpoints', '--port', '3000', '--status', 'unhealthy')).toEqual(['10.244.0.9:3000']);
    const cluster = 'outbound|80|v2|httpbin-service.default.svc.cluster.local';
    expect(await column(3, 'endpoints', '--cluster', cluster)).toEqual([cluster]);
    const json = await output('endpoints', '--port', '3000', '--status', 'unhealthy', '-o', 'json', '-f', dump);
    expect(JSON.parse(json)).toMatchObject([{ endpoints: [{ lbEndpoints: [{ healthStatus: 'UNHEALTHY' }] }] }]);
  });

  it('that let nothing through leave the header, or an empty list', async () => {
    expect(await output('clusters', '--fqdn', 'nothing', '-f', dump)).toMatch(/^SERVICE FQDN[^\n]*\n$/);
    expect(await output('clusters', '--fqdn', 'nothing', '-o', 'json', '-f', dump)).toBe('[]\n');
    expect(await output('clusters', '--fqdn', 'nothing', '-o', 'yaml', '-f', dump)).toBe('[]\n');
  });
});

describe('every name istioctl has for a table', () => {
  const names = {
    listeners: ['listener', 'l'],
    routes: ['route', 'r'],
    clusters: ['cluster', 'c'],
    endpoints: ['endpoint', 'ep'],
    secrets: ['secret', 's'],
    bootstrap: ['b'],
    all: ['a'],
  };
  it.each(Object.entries(names))('%s', async (table, aliases) => {
    const expected = await output(table, '-f', dump);
    for (const alias of aliases) {
      expect((await run(['pc', alias, '--file', dump])).stdout).toBe(expected);
    }
  });
});
