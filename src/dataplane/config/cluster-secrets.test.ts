// A cluster whose TLS needs secrets gets them from the control plane, as listeners do.

import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { afterEach, expect, it } from 'vitest';
import { NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { UpstreamTlsContextSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { startProxy } from '../proxy.ts';
import * as xds from '../test-support.ts';
import { createAuthority } from '../tls/test-certificates.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

it('a proxy is ready when the secrets of its clusters are there, and shows its certificate to the upstream', async () => {
  const authority = createAuthority();
  const server = createServer(
    { ...authority.issue('a.test'), ca: authority.ca, requestCert: true, rejectUnauthorized: true },
    (_request, response) => response.end('hello'),
  );
  undo.push(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const context = create(UpstreamTlsContextSchema, {
    sni: 'a.test',
    commonTlsContext: {
      tlsCertificateSdsSecretConfigs: [{ name: 'client' }],
      validationContextType: { case: 'validationContextSdsSecretConfig', value: { name: 'ca' } },
    },
  });
  const control = await xds.startControlPlane({
    listeners: [xds.listener(8080, [xds.chain(xds.httpFilter('http.8080'))])],
    routes: [xds.routes('http.8080', 'a')],
    clusters: [
      xds.cluster('a', {
        transportSocket: {
          name: 'envoy.transport_sockets.tls',
          configType: { case: 'typedConfig', value: anyPack(UpstreamTlsContextSchema, context) },
        },
      }),
    ],
    endpoints: [xds.endpoints('a', port)],
    secrets: [xds.identitySecret('client', authority.issue('client')), xds.caSecret('ca', authority.ca)],
  });
  undo.push(() => control.close());
  const proxy = await startProxy({
    xds: control.address,
    node: create(NodeSchema, { id: 'router~127.0.0.1~gw-0.istio-system~istio-system.svc.cluster.local' }),
    workers: 1,
    bind: { publish: [{ host: '127.0.0.1', hostPort: 0, listenerPort: 8080 }] },
    admin: { host: '127.0.0.1', port: 0 },
    log: xds.testLog,
  });
  undo.push(() => proxy.close());
  await proxy.ready;
  const response = await fetch(`http://127.0.0.1:${proxy.published[0]?.hostPort}/`, {
    headers: { connection: 'close' },
  });
  expect(await response.text()).toBe('hello');
});
