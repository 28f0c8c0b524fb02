// Whether gateways are up: their Deployments are available, their ports are published; and if not, why.

import { setTimeout as delay } from 'node:timers/promises';
import type { Deployment, Pod, Service } from '../../resources/types.ts';
import type { InstanceProxy } from '../instance.ts';
import type { ApiClient } from '../kubernetes/client.ts';
import { getIfThere } from './objects.ts';

/** A gateway's Deployment and Service have one name. */
export interface GatewayName {
  readonly namespace: string;
  readonly name: string;
}

/** A gateway that is not up, and why. */
export interface NotReady extends GatewayName {
  readonly reason: string;
}

/** How gateways are in the end. */
export interface Readiness {
  readonly notReady: readonly NotReady[];
  /** The data planes of those that are; not those that are to go. */
  readonly proxies: readonly InstanceProxy[];
}

interface State {
  readonly notReady: NotReady | undefined;
  readonly proxies: readonly InstanceProxy[];
}

const POLL_MS = 100;

/**
 * Waits until all gateways are up, or the time is over.
 * @param proxies the data planes now
 * @param onWait told what is still waited for, each time that has changed
 */
export async function waitForGateways(
  client: ApiClient,
  gateways: readonly GatewayName[],
  proxies: () => readonly InstanceProxy[],
  timeoutMs: number,
  onWait: (waiting: readonly GatewayName[]) => void,
): Promise<Readiness> {
  const deadline = performance.now() + timeoutMs;
  let told = '';
  for (;;) {
    const states = await Promise.all(gateways.map((gateway) => stateOf(client, gateway, proxies())));
    const notReady = states.flatMap((state) => state.notReady ?? []);
    if (notReady.length === 0 || performance.now() > deadline)
      return { notReady, proxies: states.flatMap((state) => state.proxies) };
    const names = JSON.stringify(notReady.map(({ namespace, name }) => [namespace, name]));
    if (names !== told) onWait(notReady);
    told = names;
    await delay(POLL_MS);
  }
}

async function stateOf(
  client: ApiClient,
  { namespace, name }: GatewayName,
  all: readonly InstanceProxy[],
): Promise<State> {
  const metadata = { namespace, name };
  const not = (reason: string, proxies: State['proxies'] = []) => ({ notReady: { namespace, name, reason }, proxies });
  const deployment = await getIfThere<Deployment>(client, { apiVersion: 'apps/v1', kind: 'Deployment', metadata });
  if (deployment === undefined) return not('there is no such Deployment');
  const pods = await podsOf(client, deployment);
  if (!isRolledOut(deployment)) return not(whyNotRolledOut(deployment, pods));
  const live = new Set(
    pods.filter((pod) => pod.metadata.deletionTimestamp === undefined).map((pod) => pod.metadata.name),
  );
  const proxies = all.filter((proxy) => proxy.namespace === namespace && live.has(proxy.pod));
  // A pod is available a moment before others are told of its data plane.
  const missing = (deployment.spec?.replicas ?? 1) - proxies.length;
  if (missing > 0) return not(`${missing} of its data planes ${missing === 1 ? 'does' : 'do'} not serve yet`, proxies);
  const service = await getIfThere<Service>(client, { apiVersion: 'v1', kind: 'Service', metadata });
  return service === undefined || arePublished(service, proxies)
    ? { notReady: undefined, proxies }
    : not('its ports are not published yet', proxies);
}

/** As `kubectl rollout status` has it. */
export function isRolledOut({ metadata, spec, status = {} }: Deployment): boolean {
  const desired = spec?.replicas ?? 1;
  return (
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 1) &&
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) >= desired
  );
}

/**
 * Whether the ports of a Service of type LoadBalancer, and no others, are published: the data planes follow their Service a moment later. Of the
 * default gateway's, `--publish` may have asked for some alone, so that some are enough.
 */
export function arePublished({ metadata, spec }: Service, proxies: readonly InstanceProxy[]): boolean {
  if (spec?.type !== 'LoadBalancer' || proxies.length === 0) return true;
  const wanted = new Set(
    (spec.ports ?? []).filter(({ protocol = 'TCP' }) => protocol === 'TCP').map(({ port }) => port),
  );
  const isDefault = metadata.namespace === 'istio-system' && metadata.name === 'istio-ingressgateway';
  // Where pods can't share ports, one of them has all.
  const publishing = proxies.filter(({ published }) => published.length > 0);
  return (
    (publishing.length > 0 || wanted.size === 0) &&
    publishing.every(({ published }) => {
      const ports = new Set(published.map(({ servicePort }) => servicePort));
      return isDefault ? ports.isSubsetOf(wanted) : ports.symmetricDifference(wanted).size === 0;
    })
  );
}

async function podsOf(client: ApiClient, { metadata, spec }: Deployment): Promise<Pod[]> {
  const labels = Object.entries(spec?.selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  const query = new URLSearchParams({ labelSelector: labels.join(',') });
  return (await client.get(`/api/v1/namespaces/${metadata.namespace}/pods?${query}`)).items;
}

/** The reason of a pod's container, where one says it; else the Deployment's condition. */
function whyNotRolledOut({ status }: Deployment, pods: readonly Pod[]): string {
  for (const pod of pods) {
    for (const { name, state, lastState } of pod.status?.containerStatuses ?? []) {
      const why = state?.waiting ?? state?.terminated ?? lastState?.terminated;
      if (why?.reason === undefined || why.reason === 'ContainerCreating') continue;
      return `${pod.metadata.name}: container ${name}: ${why.reason}${why.message === undefined ? '' : ` (${why.message})`}`;
    }
  }
  const condition = status?.conditions?.find((each) => each.status === 'False') ?? status?.conditions?.at(-1);
  return condition?.message ?? 'it has no status yet';
}
