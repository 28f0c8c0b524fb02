// Services get what a cluster gives them: an address, node ports, and where the load balancer is. The address leads nowhere on this machine;
// it is there because kubectl, and manifests that were exported, expect one. https://kubernetes.io/docs/concepts/services-networking/service/

import { createHash } from 'node:crypto';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Service } from '../../resources/types.ts';
import type { Controller, Edit } from './controller.ts';

type ServiceSpec = NonNullable<Service['spec']>;

/** Kubernetes' default range of node ports (--service-node-port-range). */
const NODE_PORTS = { first: 30_000, count: 2_768 };
/** kubeadm's range of Service addresses is 10.96.0.0/12; the addresses 0 and 1 of a block stay free. */
const PREFIX = '10.96';
/** Where Services of type LoadBalancer are reached. */
const LOAD_BALANCER_IP = '127.0.0.1';
/** All Services are looked at together, so that no two get the same. */
const ALL = '';

/** Gives Services their addresses and node ports. */
export function services(): Controller {
  return {
    name: 'services',
    all: () => [ALL],
    concerns: ({ type, object }) =>
      type !== 'deleted' && object.kind === 'Service' && object.apiVersion === 'v1' ? [ALL] : [],
    reconcile: (_, snapshot) => allocate(snapshot),
  };
}

function allocate(snapshot: Snapshot): Edit[] {
  const all = snapshot.list('Service');
  const addresses = new Set(all.flatMap(({ spec }) => spec?.clusterIP ?? []));
  const nodePorts = new Set(all.flatMap(({ spec }) => spec?.ports?.flatMap(({ nodePort }) => nodePort ?? []) ?? []));
  return all.flatMap((service): Edit[] => {
    const { spec } = service;
    if (spec === undefined || service.metadata.deletionTimestamp !== undefined) return [];
    const complete = withLoadBalancer({ ...service, spec: withAllocations(service, spec, addresses, nodePorts) });
    const isSame = complete.spec === spec && complete.status === service.status;
    return isSame ? [] : [{ put: complete }];
  });
}

/** The spec itself where nothing is missing. */
function withAllocations(
  { metadata }: Service,
  spec: ServiceSpec,
  addresses: Set<string>,
  nodePorts: Set<number>,
): ServiceSpec {
  const { type = 'ClusterIP' } = spec;
  if (type === 'ExternalName') return spec;
  const name = `${metadata.namespace ?? ''}/${metadata.name}`;
  const clusterIP = spec.clusterIP || firstFree(`${name}`, 65_534, (index) => addressOf(index), addresses);
  if (clusterIP === undefined) return spec; // 65,000 Services
  const takesNodePorts =
    type === 'NodePort' || (type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
  const lacksNodePorts = takesNodePorts && spec.ports?.some(({ nodePort }) => nodePort === undefined) === true;
  if (
    spec.clusterIP !== undefined &&
    spec.clusterIP !== '' &&
    spec.clusterIPs !== undefined &&
    spec.type !== undefined &&
    !lacksNodePorts
  )
    return spec;
  const ports = !lacksNodePorts
    ? spec.ports
    : spec.ports?.map((port) => {
        if (port.nodePort !== undefined) return port;
        const seed = `${name}/${port.name ?? port.port}`;
        const nodePort = firstFree(seed, NODE_PORTS.count, (index) => NODE_PORTS.first + index, nodePorts);
        return nodePort === undefined ? port : { ...port, nodePort };
      });
  return {
    ...spec,
    type,
    clusterIP,
    clusterIPs: spec.clusterIPs ?? [clusterIP],
    ipFamilies: spec.ipFamilies ?? ['IPv4'],
    ipFamilyPolicy: spec.ipFamilyPolicy ?? 'SingleStack',
    internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    sessionAffinity: spec.sessionAffinity ?? 'None',
    ...(type === 'ClusterIP' ? {} : { externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster' }),
    ...(ports === undefined ? {} : { ports }),
  };
}

function addressOf(index: number): string {
  const number = index + 2;
  return `${PREFIX}.${number >> 8}.${number & 255}`;
}

/** A value that nobody has, and has from now on; by the seed, so that a Service that comes back gets the same one. */
function firstFree<Value>(
  seed: string,
  count: number,
  valueAt: (index: number) => Value,
  taken: Set<Value>,
): Value | undefined {
  const start = createHash('sha256').update(seed).digest().readUInt32BE() % count;
  for (let offset = 0; offset < count; offset++) {
    const value = valueAt((start + offset) % count);
    if (taken.has(value)) continue;
    taken.add(value);
    return value;
  }
  return undefined;
}

function withLoadBalancer(service: Service): Service {
  const isBalanced = service.spec?.type === 'LoadBalancer';
  const ingress = service.status?.loadBalancer?.ingress;
  if (isBalanced && ingress === undefined)
    return {
      ...service,
      status: { ...service.status, loadBalancer: { ingress: [{ ip: LOAD_BALANCER_IP, ipMode: 'VIP' }] } },
    };
  if (!isBalanced && ingress !== undefined) return { ...service, status: { ...service.status, loadBalancer: {} } };
  return service;
}
