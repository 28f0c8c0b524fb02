import { describe, expect, it } from 'vitest';
import type { InstanceProxy } from '../instance.ts';
import { selectProxy } from './workload.ts';

const proxy = (workload: string, namespace: string, pod: string): InstanceProxy => ({
  workload,
  namespace,
  pod,
  nodeId: '',
  ip: '',
  admin: '',
  published: [],
});
const ingress = proxy('istio-ingressgateway', 'istio-system', 'istio-ingressgateway-7d5f8c-abcde');
const mine = proxy('my-user-gateway', 'istioinaction', 'my-user-gateway-0');
const twin = proxy('my-user-gateway', 'test', 'my-user-gateway-1');

describe('a proxy is meant by', () => {
  it.each([
    'deploy/istio-ingressgateway',
    'deployment/istio-ingressgateway',
    'deployments.apps/istio-ingressgateway',
    'deploy/istio-ingressgateway.istio-system',
    'svc/istio-ingressgateway',
    'pod/istio-ingressgateway-7d5f8c-abcde',
    'po/istio-ingressgateway-7d5f8c-abcde.istio-system',
    'istio-ingressgateway-7d5f8c-abcde',
    'istio-ingressgateway-7d5f8c-abcde.istio-system',
    'istio-ingressgateway',
    'istio-ingressgateway.istio-system',
  ])('%s', (argument) => {
    expect(selectProxy([ingress, mine, twin], argument, undefined)).toBe(ingress);
    expect(selectProxy([ingress, mine, twin], argument, 'istio-system')).toBe(ingress);
  });

  it('nothing, where there is only one, or only one in the namespace', () => {
    expect(selectProxy([ingress], undefined, undefined)).toBe(ingress);
    expect(selectProxy([ingress, mine], undefined, 'istioinaction')).toBe(mine);
  });

  it('nothing, where there is only one gateway: the others are proxies of pods', () => {
    const gateway = { ...ingress, nodeId: 'router~127.1.1.2~a.istio-system~x' };
    const sidecar = { ...mine, nodeId: 'sidecar~127.1.1.3~b.istioinaction~x' };
    expect(selectProxy([sidecar, gateway, { ...twin, nodeId: sidecar.nodeId }], undefined, undefined)).toBe(gateway);
    expect(selectProxy([sidecar, gateway], undefined, 'istioinaction')).toBe(sidecar);
  });

  it('the name of a workload with several pods: the first of them', () => {
    const second = proxy('istio-ingressgateway', 'istio-system', 'istio-ingressgateway-7d5f8c-fghij');
    expect(selectProxy([ingress, second, mine], 'deploy/istio-ingressgateway', 'istio-system')).toBe(ingress);
    expect(selectProxy([ingress, second, mine], second.pod, undefined)).toBe(second);
  });

  it('a name that is in two namespaces, with -n or .NAMESPACE; the latter wins', () => {
    expect(selectProxy([ingress, mine, twin], 'my-user-gateway', 'test')).toBe(twin);
    expect(selectProxy([ingress, mine, twin], 'deploy/my-user-gateway.istioinaction', 'test')).toBe(mine);
  });
});

describe('what is refused', () => {
  const message = (argument: string | undefined, namespace?: string, proxies = [ingress, mine, twin]) => {
    try {
      selectProxy(proxies, argument, namespace);
    } catch (error) {
      return (error as Error).message;
    }
    return 'found';
  };
  const all =
    'what there is: deploy/istio-ingressgateway.istio-system (pod istio-ingressgateway-7d5f8c-abcde), ' +
    'deploy/my-user-gateway.istioinaction (pod my-user-gateway-0), deploy/my-user-gateway.test (pod my-user-gateway-1)';

  it('a name that does not exist lists what does', () => {
    expect(message('deploy/webapp')).toBe(`there is no deploy/webapp; ${all}`);
    expect(message('deploy/istio-ingressgateway', 'default')).toBe(
      `there is no deploy/istio-ingressgateway in namespace default; ${all}`,
    );
    expect(message('deploy/x', undefined, [])).toBe('there is no deploy/x; no proxy runs');
  });

  it('a kind counts: a pod is not a deployment', () => {
    expect(message('deploy/my-user-gateway-0')).toContain('there is no');
    expect(message('pod/my-user-gateway')).toContain('there is no');
  });

  it('a name that several have lists those', () => {
    expect(message('my-user-gateway')).toBe(
      'my-user-gateway could be any of several proxies; what there is: ' +
        'deploy/my-user-gateway.istioinaction (pod my-user-gateway-0), deploy/my-user-gateway.test (pod my-user-gateway-1)',
    );
    expect(message(undefined)).toBe(`which proxy? ${all}`);
    expect(message(undefined, 'default')).toBe(`there is no proxy in namespace default; ${all}`);
  });

  it('a kind that has no proxy', () => {
    expect(message('gateway/coolstore')).toBe(
      'gateway/coolstore: "gateway" has no proxy; expected deployment/NAME or pod/NAME',
    );
  });
});
