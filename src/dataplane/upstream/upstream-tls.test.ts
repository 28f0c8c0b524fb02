// Requests to a cluster with TLS, through a listener: names, re-use, failures, and the change from clear text to TLS.

import { createServer as createPlainServer, type Server } from 'node:http';
import { createServer } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { createRegistry, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Gateway, startGateway, staticCluster } from '../../../test/dataplane/in-process-gateway.ts';
import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { UpstreamTlsContextSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { HttpProtocolOptionsSchema } from '../../xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { StreamInfo } from '../stream-info.ts';
import { createAuthority, type TestAuthority } from '../tls/test-certificates.ts';

let authority: TestAuthority;
let stranger: TestAuthority;
beforeAll(() => {
  authority = createAuthority();
  stranger = createAuthority('someone else');
});

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const registry = createRegistry(UpstreamTlsContextSchema, HttpProtocolOptionsSchema);

/** The cluster `c`, trusting a CA, each request's host as SNI and in the certificate. */
const tlsCluster = (port: number, ca: string) =>
  fromJson(
    ClusterSchema,
    staticCluster('c', [port], {
      transportSocket: {
        name: 'envoy.transport_sockets.tls',
        typedConfig: {
          '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
          commonTlsContext: { validationContext: { trustedCa: { inlineString: ca } } },
        },
      },
      typedExtensionProtocolOptions: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
          explicitHttpConfig: { httpProtocolOptions: {} },
          upstreamHttpProtocolOptions: { autoSni: true, autoSanValidation: true },
        },
      },
    }) as JsonValue,
    { registry },
  );

async function listen(server: Server): Promise<number> {
  undo.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An HTTPS server whose certificate is for a.test and b.test; it answers with the SNI, the request's body and how many connections there were. */
async function upstream(): Promise<{ port: number; requests: () => number }> {
  let connections = 0;
  let requests = 0;
  const server = createServer(authority.issue('a.test', ['a.test', 'b.test']), (request, response) => {
    requests += 1;
    let body = '';
    request.on('data', (bytes: Buffer) => {
      body += bytes;
    });
    request.on('end', () => response.end(`${(request.socket as TLSSocket).servername} ${body} ${connections}`));
  });
  server.on('secureConnection', () => {
    connections += 1;
  });
  return { port: await listen(server), requests: () => requests };
}

async function gateway(records: StreamInfo[] = []): Promise<Gateway> {
  const started = await startGateway({
    hcm: {
      routeConfig: {
        name: 'r',
        virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'c' } }] }],
      },
    },
    clusters: [],
    onRecord: (info) => records.push(info),
  });
  undo.push(() => started.close());
  return started;
}

/** One request on a connection of its own. */
async function request(port: number, host: string, body = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(
    `POST / HTTP/1.1\r\nhost: ${host}\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
  let text = '';
  for await (const bytes of socket) text += bytes;
  return `${text.split(' ')[1]} ${text.slice(text.indexOf('\r\n\r\n') + 4)}`;
}

describe('a request to a cluster with TLS', () => {
  it('is sent over a connection for its host, which later requests for the same host share', async () => {
    const { port } = await upstream();
    const { port: gatewayPort, services } = await gateway();
    services.clusters.updateCluster(tlsCluster(port, authority.ca));
    expect(await request(gatewayPort, 'a.test', 'hello')).toBe('200 a.test hello 1');
    expect(await request(gatewayPort, 'A.test:80', 'again')).toBe('200 a.test again 1');
    expect(await request(gatewayPort, 'b.test')).toBe('200 b.test  2');
    expect(await request(gatewayPort, 'a.test')).toBe('200 a.test  2');
  });

  it('is answered 503 when the certificate is not for its host or of a stranger, and the log says so', async () => {
    const records: StreamInfo[] = [];
    const { port, requests } = await upstream();
    const { port: gatewayPort, services } = await gateway(records);
    services.clusters.updateCluster(tlsCluster(port, authority.ca));
    expect(await request(gatewayPort, 'c.test')).toMatch(/^503 upstream connect error/);
    services.clusters.updateCluster(tlsCluster(port, stranger.ca));
    expect(await request(gatewayPort, 'a.test')).toMatch(/^503 upstream connect error/);
    expect(records.map((record) => record.upstreamTransportFailureReason)).toEqual([
      expect.stringMatching(/^TLS_error:.*SAN_matcher:TLS_error_end$/),
      expect.stringMatching(/^TLS_error:.*CERTIFICATE_VERIFY_FAILED.*:TLS_error_end$/),
    ]);
    expect(requests()).toBe(0);
  });

  it('does not use connections from before the cluster had TLS, nor those of TLS when it has none any more', async () => {
    const { port, requests } = await upstream();
    const plain = await listen(createPlainServer((_request, response) => response.end('plain')));
    const { port: gatewayPort, services } = await gateway();
    services.clusters.updateCluster(fromJson(ClusterSchema, staticCluster('c', [plain]) as JsonValue));
    expect(await request(gatewayPort, 'a.test')).toBe('200 plain');
    services.clusters.updateCluster(tlsCluster(plain, authority.ca));
    expect(await request(gatewayPort, 'a.test')).toMatch(/^503 /);
    services.clusters.updateCluster(tlsCluster(port, authority.ca));
    expect(await request(gatewayPort, 'a.test')).toBe('200 a.test  1');
    services.clusters.updateCluster(fromJson(ClusterSchema, staticCluster('c', [port]) as JsonValue));
    await request(gatewayPort, 'a.test');
    expect(requests()).toBe(1);
  });
});
