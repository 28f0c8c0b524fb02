// Which proxy a command means: `deploy/istio-ingressgateway`, a pod's name, `istio-ingressgateway.istio-system`.

import type { InstanceProxy } from '../instance.ts';

/** The names kubectl has for the kinds that stand for a proxy. */
const KINDS: Readonly<Record<string, 'workload' | 'pod'>> = {
  deploy: 'workload',
  deployment: 'workload',
  deployments: 'workload',
  'deployment.apps': 'workload',
  'deployments.apps': 'workload',
  svc: 'workload', // a gateway's Service has its Deployment's name
  service: 'workload',
  services: 'workload',
  po: 'pod',
  pod: 'pod',
  pods: 'pod',
};

/**
 * Finds the proxy.
 * @param argument `[TYPE/]NAME[.NAMESPACE]`; undefined means the only gateway there is, or the only proxy
 * @param namespace what `-n` says; a namespace in the argument wins. With neither, a name that exists in one namespace only is found.
 * @throws Error for the user that lists what exists
 */
export function selectProxy(
  proxies: readonly InstanceProxy[],
  argument: string | undefined,
  namespace: string | undefined,
): InstanceProxy {
  if (argument === undefined) {
    const candidates = proxies.filter((proxy) => namespace === undefined || proxy.namespace === namespace);
    const gateways = candidates.filter(isGateway);
    const [only, ...more] = gateways.length > 0 ? gateways : candidates;
    if (only !== undefined && more.length === 0) return only;
    const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
    throw new Error(
      candidates.length === 0
        ? `there is no proxy${where}; ${listing(proxies)}`
        : `which proxy${where}? ${listing(candidates)}`,
    );
  }
  const { kind, name } = parseArgument(argument);
  const matches = (candidate: string, within: string | undefined) =>
    proxies.filter(
      (proxy) =>
        ((kind !== 'pod' && proxy.workload === candidate) || (kind !== 'workload' && proxy.pod === candidate)) &&
        (within === undefined || proxy.namespace === within),
    );
  const dot = name.lastIndexOf('.');
  const named = dot > 0 ? matches(name.slice(0, dot), name.slice(dot + 1)) : [];
  const found = named.length > 0 ? named : matches(name, namespace);
  const [first, ...others] = found;
  // Any pod of a workload speaks for it, as for kubectl; names that stand for several are nobody's.
  if (first !== undefined && others.every((other) => isSameWorkload(first, other))) return first;
  if (found.length > 1) throw new Error(`${argument} could be any of several proxies; ${listing(found)}`);
  const where = namespace === undefined || dot > 0 ? '' : ` in namespace ${namespace}`;
  throw new Error(`there is no ${argument}${where}; ${listing(proxies)}`);
}

/** The others are pods' sidecars. */
export function isGateway({ nodeId }: InstanceProxy): boolean {
  return nodeId.startsWith('router~');
}

function isSameWorkload(one: InstanceProxy, other: InstanceProxy): boolean {
  return one.workload === other.workload && one.namespace === other.namespace;
}

/** `istio-ingressgateway-0.istio-system` */
export function proxyName({ pod, namespace }: InstanceProxy): string {
  return `${pod}.${namespace}`;
}

function parseArgument(argument: string): { kind: 'workload' | 'pod' | undefined; name: string } {
  const slash = argument.indexOf('/');
  if (slash < 0) return { kind: undefined, name: argument };
  const type = argument.slice(0, slash);
  const kind = KINDS[type.toLowerCase()];
  if (kind === undefined) throw new Error(`${argument}: "${type}" has no proxy; expected deployment/NAME or pod/NAME`);
  return { kind, name: argument.slice(slash + 1) };
}

function listing(proxies: readonly InstanceProxy[]): string {
  if (proxies.length === 0) return 'no proxy runs';
  const names = proxies.map((proxy) => `deploy/${proxy.workload}.${proxy.namespace} (pod ${proxy.pod})`);
  return `what there is: ${names.join(', ')}`;
}
