import { create } from '@bufbuild/protobuf';
import pino from 'pino';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createAuthority, type TestAuthority } from '../dataplane/tls/test-certificates.ts';
import { AdsClient } from './client.ts';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import { encodeResource, TypeUrl } from './resources.ts';
import { AdsServer } from './server.ts';
import type { ClientTls, ServerTls } from './tls.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

let authority: TestAuthority;
let stranger: TestAuthority;
let serverTls: ServerTls;
beforeAll(() => {
  authority = createAuthority();
  stranger = createAuthority('somebody else');
  const { cert, key } = authority.issue('istiod.istio-system.svc');
  serverTls = { certificateChain: cert, privateKey: key };
});

function server(): AdsServer {
  const a = encodeResource('a', ClusterSchema, create(ClusterSchema, { name: 'a' }));
  const resources = new Map([[TypeUrl.Cluster, new Map([['a', a]])]]);
  const made = new AdsServer({ resourcesFor: () => resources, log: pino({ level: 'silent' }) });
  closers.push(() => made.close());
  return made;
}

/** What becomes of a client's first attempt: `connected`, or why not. */
function attempt(port: number, tls: ClientTls | undefined): Promise<string> {
  return new Promise((resolve) => {
    const log = pino(
      { level: 'warn' },
      { write: (line: string) => resolve((JSON.parse(line) as { reason?: string }).reason ?? line) },
    );
    const client = new AdsClient({
      target: `127.0.0.1:${port}`,
      node: create(NodeSchema, { id: 'node-1' }),
      log,
      ...(tls === undefined ? {} : { tls }),
      onResponse: (_type, resources) => resolve(`got ${resources.map(({ name }) => name).join()}`),
    });
    closers.push(() => client.close());
    client.subscribe(TypeUrl.Cluster, '*');
    client.start();
  });
}

describe('TLS on the xDS port', () => {
  test('a client that trusts the server is served; one that does not, or speaks plain text, is not', async () => {
    const port = await server().listen('127.0.0.1:0', { tls: serverTls });
    const serverName = 'istiod.istio-system.svc';
    expect(await attempt(port, { authorities: authority.ca, serverName })).toBe('got a');
    expect(await attempt(port, { authorities: authority.ca, serverName: 'else.where' })).toMatch(/else\.where/);
    expect(await attempt(port, { authorities: stranger.ca, serverName })).toMatch(/certificate/);
    expect(await attempt(port, undefined)).not.toContain('got');
  });

  test('with client authorities only a client with a certificate of theirs is served', async () => {
    const port = await server().listen('127.0.0.1:0', { tls: { ...serverTls, clientAuthorities: authority.ca } });
    const trusting = { authorities: authority.ca, serverName: 'istiod.istio-system.svc' };
    const presenting = ({ cert, key }: { cert: string; key: string }) => ({
      ...trusting,
      certificateChain: cert,
      privateKey: key,
    });
    expect(await attempt(port, presenting(authority.issue('gateway')))).toBe('got a');
    expect(await attempt(port, trusting)).not.toContain('got');
    expect(await attempt(port, presenting(stranger.issue('gateway')))).not.toContain('got');
  });

  test('a key that is none is an error of listen(), before anything is bound', async () => {
    const listening = server().listen('127.0.0.1:0', { tls: { ...serverTls, privateKey: 'no PEM' } });
    await expect(listening).rejects.toThrow(/^TLS of the xDS port: expected PEM/);
  });
});

describe('plain text', () => {
  test.each(['0.0.0.0:0', '[::]:0', '192.0.2.1:15010', 'xds.example.com:15010', ':0'])(
    'is refused on %s: resources hold private keys',
    async (address) => {
      await expect(server().listen(address)).rejects.toThrow(/plain text is for loopback addresses only/);
    },
  );

  test.each(['127.0.0.1:0', '127.1.2.3:0', 'localhost:0'])('is served on %s', async (address) => {
    expect(await server().listen(address)).toBeGreaterThan(0);
  });
});
