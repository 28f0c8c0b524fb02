import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { VHDS_FEATURE } from '../xds/resources.ts';
import { parseNode } from './node.ts';

const ID = 'router~10.0.0.1~istio-ingressgateway-abc.istio-system~istio-system.svc.cluster.local';

describe('parseNode', () => {
  it("reads type, address, pod and namespace from the id and labels from the metadata, as Istio's agent writes them", () => {
    const metadata = {
      LABELS: { istio: 'ingressgateway' },
      NAMESPACE: 'istio-system',
      NAME: 'istio-ingressgateway-abc',
    };
    expect(parseNode(create(NodeSchema, { id: ID, cluster: 'gateway', metadata }))).toEqual({
      id: ID,
      type: 'router',
      ip: '10.0.0.1',
      podName: 'istio-ingressgateway-abc',
      namespace: 'istio-system',
      labels: { istio: 'ingressgateway' },
      cluster: 'gateway',
      http2: true,
      vhds: false,
    });
  });

  it('knows Limen’s own proxy, which speaks no HTTP/2 to upstreams yet', () => {
    expect(parseNode(create(NodeSchema, { id: ID, userAgentName: 'limen' })).http2).toBe(false);
    expect(parseNode(create(NodeSchema, { id: ID, userAgentName: 'envoy' })).http2).toBe(true);
  });

  it('knows by its features who takes virtual hosts as resources of their own', () => {
    expect(parseNode(create(NodeSchema, { id: ID, clientFeatures: [VHDS_FEATURE] })).vhds).toBe(true);
    expect(parseNode(create(NodeSchema, { id: ID, userAgentName: 'limen' })).vhds).toBe(false);
  });

  it('takes the namespace from the id when the metadata has none, and no labels for no labels', () => {
    const node = parseNode(create(NodeSchema, { id: ID }));
    expect(node.namespace).toBe('istio-system');
    expect(node.labels).toEqual({});
  });

  it('knows at which port a sidecar is to be an HTTP proxy', () => {
    const node = (port: string) => parseNode(create(NodeSchema, { id: ID, metadata: { HTTP_PROXY_PORT: port } }));
    expect(node('15007').httpProxyPort).toBe(15007);
    expect(node('').httpProxyPort).toBeUndefined();
    expect(() => node('http')).toThrow('HTTP_PROXY_PORT: expected a port from 1 to 65535, got "http"');
  });

  it.each([
    ['', 'it has 1 parts'],
    ['router~10.0.0.1~pod.ns', 'it has 3 parts'],
    ['waiter~10.0.0.1~pod.ns~ns.svc.cluster.local', "'waiter' is not a type of proxy"],
    ['router~~pod.ns~ns.svc.cluster.local', 'the IP is empty'],
    ['router~10.0.0.1~pod~ns.svc.cluster.local', "'pod' is not POD.NAMESPACE"],
  ])('refuses the id %j and says why', (id, why) => {
    expect(() => parseNode(create(NodeSchema, { id }))).toThrow(why);
  });
});
