// The endpoints of a service: out of EndpointSlices, Endpoints, selected pods and WorkloadEntries, or the ServiceEntry itself.

import { boundPort, targetPortOn } from '../../resources/pod-ports.ts';
import type { EndpointSlice, Endpoints, Pod, ServiceEntry, WorkloadEntry } from '../../resources/types.ts';
import { type Endpoint, type EndpointsByPort, LOCALITY_LABEL } from './endpoint.ts';
import type { MeshService, ServicePort } from './service.ts';

/** Everything the endpoints of one service are made of. */
export interface EndpointInputs {
  readonly slices: readonly EndpointSlice[];
  readonly endpoints: Endpoints | undefined;
  readonly pods: readonly Pod[];
  readonly workloadEntries: readonly WorkloadEntry[];
  /** The pod that an EndpointSlice's `targetRef` names, for its labels. */
  readonly podByName: (namespace: string, name: string) => Pod | undefined;
}

/**
 * The ready endpoints of each port. An address that two sources name counts once: EndpointSlices before Endpoints before
 * pods, since a cluster's slices already say which pods there are.
 */
export function endpointsOf(service: MeshService, inputs: EndpointInputs): EndpointsByPort {
  const byPort = new Map<number, Endpoint[]>();
  for (const port of service.ports) {
    const found = new Map<string, Endpoint>();
    for (const endpoint of candidates(service, port, inputs)) {
      const address = `${endpoint.address}:${endpoint.port}`;
      if (!found.has(address)) found.set(address, endpoint);
    }
    byPort.set(port.number, [...found.values()]);
  }
  return byPort;
}

function* candidates(service: MeshService, port: ServicePort, inputs: EndpointInputs): Generator<Endpoint> {
  if (service.externalName !== undefined) {
    yield { ...PLAIN, address: service.externalName, port: numericTarget(port), namespace: service.namespace };
    return;
  }
  if (service.source.kind === 'ServiceEntry') yield* ofServiceEntry(service, port);
  for (const slice of inputs.slices) yield* ofSlice(slice, port, inputs);
  if (inputs.endpoints !== undefined) yield* ofEndpoints(inputs.endpoints, port, inputs);
  for (const pod of inputs.pods) yield* ofPod(pod, port);
  for (const entry of inputs.workloadEntries) yield* ofWorkloadEntry(entry, port);
}

const PLAIN = { labels: {}, locality: '', weight: 1, workload: '', namespace: '' };

function numericTarget(port: ServicePort): number {
  return typeof port.targetPort === 'number' ? port.targetPort : port.number;
}

function* ofServiceEntry(service: MeshService, port: ServicePort): Generator<Endpoint> {
  const spec = (service.source as ServiceEntry).spec;
  const own = spec?.endpoints ?? [];
  // A host that DNS resolves is its own endpoint where none is listed; a wildcard is nothing DNS could resolve.
  if (own.length === 0 && service.selector === undefined && service.resolution.startsWith('dns')) {
    if (!service.hostname.startsWith('*')) {
      yield { ...PLAIN, address: service.hostname, port: numericTarget(port), namespace: service.namespace };
    }
    return;
  }
  for (const { address, ports, labels = {}, locality = '', weight } of own) {
    if (address === undefined) continue;
    yield {
      ...PLAIN,
      address,
      port: ports?.[port.name] ?? numericTarget(port),
      labels,
      locality,
      weight: weight || 1,
      namespace: service.namespace,
    };
  }
}

function* ofSlice(slice: EndpointSlice, port: ServicePort, inputs: EndpointInputs): Generator<Endpoint> {
  const slicePort = slice.ports?.find((candidate) => (candidate.name ?? '') === port.name)?.port;
  if (slicePort === undefined) return;
  const namespace = slice.metadata.namespace ?? '';
  for (const { addresses, conditions, targetRef, zone } of slice.endpoints ?? []) {
    // https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#ready: unknown counts as ready
    if (conditions?.ready === false) continue;
    const pod = targetRef?.kind === 'Pod' ? podOf(targetRef, namespace, inputs) : undefined;
    for (const address of addresses ?? []) {
      yield {
        ...describePod(pod, namespace),
        ...(zone === undefined ? {} : { locality: `/${zone}` }),
        address,
        port: slicePort,
      };
    }
  }
}

function* ofEndpoints(object: Endpoints, port: ServicePort, inputs: EndpointInputs): Generator<Endpoint> {
  const namespace = object.metadata.namespace ?? '';
  for (const { addresses, ports } of object.subsets ?? []) {
    const subsetPort = ports?.find((candidate) => (candidate.name ?? '') === port.name)?.port;
    if (subsetPort === undefined) continue;
    for (const { ip, targetRef } of addresses ?? []) {
      const pod = targetRef?.kind === 'Pod' ? podOf(targetRef, namespace, inputs) : undefined;
      yield { ...describePod(pod, namespace), address: ip, port: subsetPort };
    }
  }
}

function podOf(ref: { name?: string; namespace?: string }, namespace: string, inputs: EndpointInputs): Pod | undefined {
  return ref.name === undefined ? undefined : inputs.podByName(ref.namespace ?? namespace, ref.name);
}

/** Whether a pod takes traffic: Running and its Ready condition true. */
function isReady(pod: Pod): boolean {
  const { podIP, conditions } = pod.status ?? {};
  return podIP !== undefined && conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

function* ofPod(pod: Pod, port: ServicePort): Generator<Endpoint> {
  const podIP = pod.status?.podIP;
  const number = targetPortOn(pod.spec, port.targetPort);
  if (podIP === undefined || number === undefined || !isReady(pod)) return;
  yield { ...describePod(pod, pod.metadata.namespace ?? ''), address: podIP, port: boundPort(pod, number) };
}

function describePod(pod: Pod | undefined, namespace: string): Omit<Endpoint, 'address' | 'port'> {
  const labels = pod?.metadata.labels ?? {};
  return {
    labels,
    locality: labels[LOCALITY_LABEL]?.replaceAll('.', '/') ?? '',
    weight: 1,
    workload: pod === undefined ? '' : workloadName(pod),
    namespace,
  };
}

/** The Deployment's name where a ReplicaSet's pod carries the hash in its name, else the pod's own. */
function workloadName(pod: Pod): string {
  const { name, labels } = pod.metadata;
  const hash = labels?.['pod-template-hash'];
  const end = hash === undefined ? -1 : name.lastIndexOf(`-${hash}-`);
  return end > 0 ? name.slice(0, end) : name;
}

function* ofWorkloadEntry(entry: WorkloadEntry, port: ServicePort): Generator<Endpoint> {
  const { address, ports, labels, locality = '', weight } = entry.spec ?? {};
  if (address === undefined) return;
  const named = typeof port.targetPort === 'string' ? ports?.[port.targetPort] : undefined;
  yield {
    address,
    port: ports?.[port.name] ?? named ?? numericTarget(port),
    labels: { ...entry.metadata.labels, ...labels },
    locality,
    weight: weight || 1,
    workload: entry.metadata.name,
    namespace: entry.metadata.namespace ?? '',
  };
}
