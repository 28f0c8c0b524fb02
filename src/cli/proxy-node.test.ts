import { describe, expect, it } from 'vitest';
import { proxyNode } from './proxy-node.ts';

const nodeId = 'router~10.0.0.7~gw-0.istio-system~istio-system.svc.cluster.local';

describe('the node of a proxy', () => {
  it('says what istiod reads of a gateway', () => {
    const node = proxyNode({
      nodeId,
      label: ['app=istio-ingressgateway', 'istio=ingressgateway'],
      serviceAccount: 'gw',
    });
    expect(node).toMatchObject({
      id: nodeId,
      cluster: 'istio-ingressgateway.istio-system',
      metadata: {
        NAME: 'gw-0',
        NAMESPACE: 'istio-system',
        CLUSTER_ID: 'Kubernetes',
        MESH_ID: 'cluster.local',
        INSTANCE_IPS: '10.0.0.7',
        ISTIO_VERSION: expect.stringMatching(/^\d+\.\d+\.\d+$/),
        WORKLOAD_NAME: 'istio-ingressgateway',
        SERVICE_ACCOUNT: 'gw',
        LABELS: { app: 'istio-ingressgateway', istio: 'ingressgateway' },
      },
    });
  });

  it('is called by its workload where it has no label app, by its pod where nobody says', () => {
    expect(proxyNode({ nodeId, metadata: ['WORKLOAD_NAME=gw'] })).toMatchObject({
      cluster: 'gw.istio-system',
      metadata: { WORKLOAD_NAME: 'gw' },
    });
    expect(proxyNode({ nodeId })).toMatchObject({ cluster: 'gw-0.istio-system', metadata: { WORKLOAD_NAME: 'gw-0' } });
  });

  it('takes further metadata, and other values of ours', () => {
    const { metadata } = proxyNode({
      nodeId,
      metadata: ['CLUSTER_ID=east', 'NETWORK=n1', 'PROXY_CONFIG={"concurrency":2}'],
    });
    expect(metadata).toMatchObject({ CLUSTER_ID: 'east', NETWORK: 'n1', PROXY_CONFIG: { concurrency: 2 } });
  });

  it.each(['CLUSTER_ID', '=x', 'PROXY_CONFIG={'])('refuses metadata %s', (text) => {
    expect(() => proxyNode({ nodeId, metadata: [text] })).toThrow(`--metadata ${text}: expected`);
  });
});
