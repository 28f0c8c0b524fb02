import { describe, expect, it } from 'vitest';
import type { Deployment, Service } from '../../resources/types.ts';
import type { InstanceProxy } from '../instance.ts';
import { arePublished, isRolledOut } from './readiness.ts';

const deployment = (replicas: number, status: Deployment['status'], generation = 2): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'mine', namespace: 'shop', generation },
  spec: { replicas, selector: {}, template: {} },
  ...(status === undefined ? {} : { status }),
});

describe('a Deployment is rolled out', () => {
  const all = { observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2 };

  it.each([
    ['when all replicas are of its template and available', deployment(2, all), true],
    ['when it has none and is to have none', deployment(0, { observedGeneration: 2 }), true],
    ['not before its controller has seen it', deployment(2, { ...all, observedGeneration: 1 }), false],
    ['not without a status', deployment(1, undefined), false],
    ['not while some are of the template before', deployment(2, { ...all, updatedReplicas: 1 }), false],
    ['not while there is one more that is to go', deployment(2, { ...all, replicas: 3 }), false],
    ['not while one is not available', deployment(2, { ...all, availableReplicas: 1 }), false],
  ])('%s', (_, each, expected) => {
    expect(isRolledOut(each)).toBe(expected);
  });
});

describe('the ports of a Service are published', () => {
  const service = (type: string, ports: number[], name = 'mine', namespace = 'shop'): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      type: type as 'LoadBalancer',
      ports: [...ports.map((port) => ({ port })), { port: 443, protocol: 'UDP' as const }],
    },
  });
  const proxies = (...ports: number[]): InstanceProxy[] =>
    [[], ports].map((own) => ({
      ...{ workload: 'mine', namespace: 'shop', pod: '', nodeId: '', ip: '', admin: '' },
      published: own.map((port) => ({ address: '127.0.0.1', port, servicePort: port, portName: '' })),
    }));

  it('when all pods that publish have them, and no others', () => {
    const mine = service('LoadBalancer', [80, 81]);
    expect(arePublished(mine, proxies(80, 81))).toBe(true);
    expect(arePublished(mine, proxies(80))).toBe(false);
    expect(arePublished(mine, proxies(80, 81, 82))).toBe(false);
    expect(arePublished(mine, [...proxies(80, 81), ...proxies(80, 79)])).toBe(false);
    expect(arePublished(mine, proxies())).toBe(false);
  });

  it('where none are to be, or nobody runs', () => {
    expect(arePublished(service('ClusterIP', [80]), proxies())).toBe(true);
    expect(arePublished(service('NodePort', [80]), proxies())).toBe(true);
    expect(arePublished(service('LoadBalancer', [80]), [])).toBe(true);
  });

  it('of the default gateway when some are: --publish may have asked for no others', () => {
    const standard = service('LoadBalancer', [80, 443], 'istio-ingressgateway', 'istio-system');
    expect(arePublished(standard, proxies(80))).toBe(true);
    expect(arePublished(standard, proxies(81))).toBe(false);
    expect(arePublished(standard, proxies())).toBe(false);
  });
});
