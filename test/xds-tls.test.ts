// Data planes that run elsewhere, over mutual TLS: `limen proxy` and an Envoy with the bootstrap that `limen bootstrap` prints.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../src/dataplane/tls/test-certificates.ts';
import { whyNoEnvoy } from './controlplane/envoy.ts';
import { Limen, PROGRAM, temporaryDirectory } from './walkthroughs/limen.ts';

let limen: Limen;
let port: string;
let file: (name: string) => string;
const children: ChildProcess[] = [];

beforeAll(async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'config'));
  file = (name) => join(directory, name);
  const authority = createAuthority();
  const [server, client] = [authority.issue('localhost'), authority.issue('gateway')];
  const contents = {
    ca: authority.ca,
    'server.crt': server.cert,
    'server.key': server.key,
    'client.crt': client.cert,
    'client.key': client.key,
  };
  for (const [name, content] of Object.entries(contents)) writeFileSync(file(name), content);
  const tls = ['--xds-cert', file('server.crt'), '--xds-key', file('server.key'), '--xds-client-ca', file('ca')];
  limen = await Limen.up(directory, ['-f', file('config'), '--xds-port', '0.0.0.0:0', ...tls], [80]);
  port = /xDS over TLS.*0\.0\.0\.0:(\d+)/.exec(limen.output)?.[1] ?? 'no port in the log';
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  expect(await limen.stop()).toEqual({ code: 0, left: [] });
});

const nodeOf = (name: string) => ['--node-id', `router~127.0.0.1~${name}.istio-system~istio-system.svc.cluster.local`];
const clientTls = () => ['--xds-ca', file('ca'), '--xds-cert', file('client.crt'), '--xds-key', file('client.key')];

/** Starts a program; what it says. */
function start(program: string, args: readonly string[]): () => string {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      said += String(chunk);
    });
  return () => said;
}

const startProxy = (name: string, tls: readonly string[]) =>
  start(process.execPath, [
    PROGRAM,
    'proxy',
    '--xds',
    `localhost:${port}`,
    ...nodeOf(name),
    '--admin-address',
    '127.0.0.1:0',
    '--publish',
    '127.0.0.1:0:8080',
    ...tls,
  ]);

const statusHas = async (name: string) => {
  const { stdout } = await limen.limen('proxy-status');
  return new RegExp(`^${name}\\.istio-system +\\S+ +SYNCED`, 'm').test(stdout);
};

describe('xDS over mutual TLS', () => {
  it('serves a proxy with a certificate of the authority, and no other', async () => {
    const refused = startProxy('stranger', ['--xds-ca', file('ca')]);
    startProxy('elsewhere', clientTls());
    await limen.until('the proxy is served', () => statusHas('elsewhere'));
    await limen.until('the other one says that it is refused', () => /certificate required/.test(refused()));
    expect(await statusHas('stranger')).toBe(false);
  });

  it('serves the gateway of the instance itself in plain text on loopback', async () => {
    expect((await limen.limen('proxy-status')).stdout).toMatch(/^istio-ingressgateway-\S+ +\S+ +SYNCED/m);
    const instance = JSON.parse(readFileSync(join(limen.home, 'instance.json'), 'utf8')) as { xds: string };
    expect(instance.xds).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(instance.xds).not.toContain(`:${port}`);
  });

  const why = whyNoEnvoy();
  it.skipIf(why !== undefined)('serves an Envoy', async () => {
    const { stdout, stderr } = await limen.limen(
      'bootstrap',
      '--xds',
      `localhost:${port}`,
      ...clientTls(),
      ...nodeOf('envoy'),
      '--address',
      '127.0.0.1',
      '--admin-address',
      '127.0.0.1:0',
    );
    expect(stderr).toBe('');
    // Its own listeners for probes would take ports of this machine.
    const bootstrap = JSON.parse(stdout) as { staticResources: { listeners?: unknown } };
    delete bootstrap.staticResources.listeners;
    writeFileSync(file('bootstrap.json'), JSON.stringify(bootstrap));
    const envoy = start('envoy', [
      '-c',
      file('bootstrap.json'),
      '--use-dynamic-base-id',
      '-l',
      'warning',
      '--concurrency',
      '1',
    ]);
    await limen.until('Envoy is served', async () => {
      if (await statusHas('envoy')) return true;
      throw new Error(envoy());
    });
  });

  it('is also in the bootstrap of a gRPC application', async () => {
    const { stdout } = await limen.limen('bootstrap', '--grpc', '--xds', 'limen.example:15012', '--xds-ca', file('ca'));
    expect(JSON.parse(stdout)).toMatchObject({
      xds_servers: [
        {
          server_uri: 'limen.example:15012',
          channel_creds: [{ type: 'tls', config: { ca_certificate_file: file('ca') } }],
        },
      ],
    });
  });

  it('needs the address of the port in a bootstrap', async () => {
    const { code, stderr } = await limen.limen('bootstrap', '--xds-ca', file('ca'));
    expect(code).toBe(1);
    expect(stderr).toContain('--xds-ca: expected with --xds HOST:PORT');
  });
});
