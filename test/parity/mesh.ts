// What every configuration has: services in front of the upstreams, the gateway that the suite itself asks, JSON access logs.

import type { ProxyNode } from '../../src/controlplane/node.ts';
import { createPushContext } from '../../src/controlplane/push-context.ts';
import { translate } from '../../src/controlplane/translate.ts';
import { loadDocuments } from '../../src/resources/load.ts';
import type { ResourceObject } from '../../src/resources/object.ts';
import { Snapshot } from '../../src/resources/snapshot.ts';
import type { ResourceSet } from '../../src/xds/resources.ts';
import { NODE } from '../controlplane/golden.ts';
import type { Certificates } from './certificates.ts';
import { HTTP_GATEWAY } from './objects.ts';

/** The listener that the suite asks whether a configuration is in force. Its only route answers with the configuration's id. */
export const SENTINEL_PORT = 19_999;

const service = (name: string, upstream: string, port: { name: string; port: number }) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { ports: [{ name: ${port.name}, port: ${port.port} }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: ${port.name}, port: {{port ${upstream}}} }]
endpoints: [{ addresses: [127.0.0.1] }]`;

const http = { name: 'http', port: 80 };

/** Services `a`, `b` and `refused` (HTTP), `tcp` and `tcp2`, `tls`, `empty` (no endpoints), and `reviews.mesh` with versions v1 and v2. */
const MESH = [
  service('a', 'a', http),
  service('b', 'b', http),
  service('refused', 'refused', http),
  service('tcp', 'tcp', { name: 'tcp', port: 9000 }),
  service('tcp2', 'tcp2', { name: 'tcp', port: 9000 }),
  service('tls', 'tls', { name: 'tls', port: 443 }),
  `
apiVersion: v1
kind: Service
metadata: { name: empty, namespace: default }
spec: { ports: [{ name: http, port: 80 }] }`,
  `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: reviews, namespace: default }
spec:
  hosts: [reviews.mesh]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ name: http, number: 80, protocol: HTTP }]
  endpoints:
    - { address: 127.0.0.1, ports: { http: {{port v1}} }, labels: { version: v1 } }
    - { address: 127.0.0.1, ports: { http: {{port v2}} }, labels: { version: v2 } }`,
  `
apiVersion: v1
kind: Service
metadata: { name: istio-ingressgateway, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  ports:
    - { name: http, port: 80, targetPort: 8080 }
    - { name: https, port: 443, targetPort: 8443 }
    - { name: tcp, port: 31400, targetPort: 31400 }
    - { name: other, port: 9090, targetPort: 9090 }`,
].join('\n---');

/** The mesh configuration. `# mesh: KEY: VALUE` in a configuration adds to it. */
const meshConfig = (more: string) => `
apiVersion: v1
kind: ConfigMap
metadata: { name: istio, namespace: istio-system }
data:
  mesh: |
    accessLogFile: /dev/stdout
    accessLogEncoding: JSON
    # No trace is sampled by chance.
    defaultConfig: { tracing: { sampling: 0 } }
    ${more}`;

const sentinel = (id: string) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: sentinel, namespace: istio-system }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: ${SENTINEL_PORT}, name: http-sentinel, protocol: HTTP }, hosts: [sentinel.parity] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: sentinel, namespace: istio-system }
spec:
  hosts: [sentinel.parity]
  gateways: [sentinel]
  http: [{ directResponse: { status: 200, body: { string: "${id}" } } }]`;

/**
 * The resources of a configuration; `HTTP_GATEWAY` is among them where it has no Gateway of its own.
 * @param id what the sentinel is to answer
 * @throws Error with all problems when the YAML is not valid
 */
export async function translateConfiguration(
  yaml: string,
  id: string,
  ports: ReadonlyMap<string, number>,
  certificates: Certificates,
): Promise<ResourceSet> {
  const gateway = /^kind: Gateway$/m.test(yaml) ? [] : [HTTP_GATEWAY];
  const mesh = meshConfig(/^# mesh: (.*)$/m.exec(yaml)?.[1] ?? '');
  const text = [MESH, mesh, sentinel(id), ...gateway, yaml]
    .join('\n---\n')
    .replaceAll(/\{\{port (\w+)\}\}/g, (_, name) => {
      const port = ports.get(String(name));
      if (port === undefined) throw new Error(`there is no upstream ${name}`);
      return String(port);
    });
  const { objects, problems } = loadDocuments(await certificates.fillIn(text), id);
  const wrong = problems.filter(({ severity }) => severity === 'error');
  if (wrong.length > 0) throw new Error(wrong.map(({ field, message }) => `${id}: ${field} ${message}`).join('\n'));
  const all: ResourceObject[] = objects.map(({ object }) => object);
  const context = createPushContext(Snapshot.of(all));
  const gatewayResources = translate(context, NODE).resources;
  if (!/^# sidecar$/m.test(yaml)) return gatewayResources;
  const { resources } = translate(context, SIDECAR);
  return new Map(
    [...gatewayResources].map(([type, ofGateway]) => [type, new Map([...ofGateway, ...(resources.get(type) ?? [])])]),
  );
}

/** With a comment `# sidecar` the proxies have the listener of this workload's sidecar, too. */
const SIDECAR: ProxyNode = {
  ...NODE,
  id: 'sidecar~127.0.0.1~webapp-1.default~default.svc.cluster.local',
  type: 'sidecar',
  podName: 'webapp-1',
  namespace: 'default',
  labels: { app: 'webapp' },
  httpProxyPort: 15_001,
};
