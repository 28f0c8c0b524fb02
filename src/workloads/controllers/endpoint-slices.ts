// EndpointSlices and Endpoints of Services with a selector: the pods it selects, and which of them take traffic.
// https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/

import { isDeepStrictEqual } from 'node:util';
import { boundPort, targetPortOn } from '../../resources/pod-ports.ts';
import { matchesLabels } from '../../resources/selectors.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { EndpointSlice, Endpoints, Pod, Service } from '../../resources/types.ts';
import type { Change } from '../../store/store.ts';
import type { Controller, Edit } from './controller.ts';
import { derivedSuffix } from './generated-names.ts';
import { controllerReference, nameOf, splitName } from './owned.ts';
import { isReady } from './pods.ts';

type SlicePort = NonNullable<EndpointSlice['ports']>[number];

const SERVICE_NAME = 'kubernetes.io/service-name';
// Not Kubernetes' own names: what was exported from a cluster and stands in a file carries those, and is not for us to change.
const SLICE_MANAGER = { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.limen.dev' };
const ENDPOINTS_MANAGER = { 'endpoints.kubernetes.io/managed-by': 'endpoints-controller.limen.dev' };
/** Kubernetes' --max-endpoints-per-slice. */
const MAX_ENDPOINTS = 100;

/** Keeps the EndpointSlices and Endpoints of Services. */
export function endpointSlices(): Controller {
  return {
    name: 'endpoint slices',
    all: (snapshot) => [
      ...snapshot.list('Service').map(nameOf),
      ...snapshot.list('EndpointSlice').filter(isOurs).flatMap(serviceOf),
    ],
    concerns,
    reconcile,
  };
}

function concerns(change: Change, snapshot: Snapshot): string[] {
  const { object } = change;
  switch (object.kind) {
    case 'Service':
      return object.apiVersion === 'v1' ? [nameOf(object)] : [];
    case 'EndpointSlice':
      return serviceOf(object as EndpointSlice);
    case 'Endpoints':
      return [nameOf(object)];
    case 'Pod': {
      if (object.apiVersion !== 'v1') return [];
      const before = change.type === 'modified' ? change.previous.metadata.labels : undefined;
      const { labels } = object.metadata;
      return snapshot
        .list('Service')
        .filter((service) => {
          const selector = selectorOf(service);
          if (selector === undefined || service.metadata.namespace !== object.metadata.namespace) return false;
          return matchesLabels(selector, labels) || (before !== undefined && matchesLabels(selector, before));
        })
        .map(nameOf);
    }
    default:
      return [];
  }
}

/** Undefined where a Service selects nothing: then its endpoints are somebody else's to write. */
function selectorOf({ spec }: Service): Record<string, string> | undefined {
  const { selector } = spec ?? {};
  return spec?.type === 'ExternalName' || selector === undefined || Object.keys(selector).length === 0
    ? undefined
    : selector;
}

function isOurs({ metadata }: EndpointSlice): boolean {
  return Object.entries(SLICE_MANAGER).every(([key, value]) => metadata.labels?.[key] === value);
}

function serviceOf({ metadata }: EndpointSlice): string[] {
  const name = metadata.labels?.[SERVICE_NAME];
  return name === undefined ? [] : [`${metadata.namespace ?? ''}/${name}`];
}

function reconcile(name: string, snapshot: Snapshot): Edit[] {
  const [namespace, serviceName] = splitName(name);
  const service = snapshot.get('Service', namespace, serviceName);
  const selector = service && selectorOf(service);
  const slices = snapshot.list('EndpointSlice').filter((slice) => isOurs(slice) && serviceOf(slice).includes(name));
  const endpoints = snapshot.get('Endpoints', namespace, serviceName);
  const isEndpointsOurs = Object.entries(ENDPOINTS_MANAGER).every(
    ([key, value]) => endpoints?.metadata.labels?.[key] === value,
  );
  if (service === undefined || selector === undefined) {
    return [
      ...slices.map((slice) => ({ delete: slice })),
      ...(endpoints !== undefined && isEndpointsOurs ? [{ delete: endpoints }] : []),
    ];
  }
  const pods = snapshot
    .list('Pod')
    .filter(
      (pod) => pod.metadata.namespace === namespace && matchesLabels(selector, pod.metadata.labels) && isPlaced(pod),
    )
    .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const wanted = slicesOf(service, pods);
  const edits: Edit[] = [];
  for (const slice of wanted) {
    const old = slices.find(({ metadata }) => metadata.name === slice.metadata.name);
    edits.push(...putUnlessSame(slice, old));
  }
  for (const slice of slices)
    if (!wanted.some(({ metadata }) => metadata.name === slice.metadata.name)) edits.push({ delete: slice });
  if (endpoints === undefined || isEndpointsOurs) edits.push(...putUnlessSame(endpointsOf(service, pods), endpoints));
  return edits;
}

/** The object as it should be, with the metadata that is not ours; nothing when it is so already. */
function putUnlessSame<Kind extends EndpointSlice | Endpoints>(wanted: Kind, old: Kind | undefined): Edit[] {
  if (old === undefined) return [{ put: wanted }];
  const { labels, ownerReferences } = wanted.metadata;
  const metadata = {
    ...old.metadata,
    ...(labels && { labels }),
    ...(ownerReferences && { ownerReferences }),
  };
  const next = { ...wanted, metadata };
  return isDeepStrictEqual(next, old) ? [] : [{ put: next }];
}

function isPlaced({ status }: Pod): boolean {
  return status?.podIP !== undefined && status.phase !== 'Succeeded' && status.phase !== 'Failed';
}

function isServing({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
}

/** Pods whose ports are the same numbers share a slice; a Service without pods has an empty one. */
function slicesOf(service: Service, pods: readonly Pod[]): EndpointSlice[] {
  const byPorts = Map.groupBy(pods, (pod) => JSON.stringify(portsOn(pod, service)));
  const groups = [...byPorts.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / MAX_ENDPOINTS) }, (_, index) =>
      group.slice(index * MAX_ENDPOINTS, (index + 1) * MAX_ENDPOINTS),
    ),
  );
  const { name, namespace = '', labels } = service.metadata;
  const always = service.spec?.publishNotReadyAddresses === true;
  return (groups.length > 0 ? groups : [[]]).map((group, index) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-${derivedSuffix(`${service.metadata.uid}/${index}`)}`,
      namespace,
      labels: { ...labels, [SERVICE_NAME]: name, ...SLICE_MANAGER },
      ownerReferences: [controllerReference(service)],
    },
    addressType: 'IPv4',
    endpoints: group.map((pod) => ({
      addresses: [pod.status?.podIP ?? ''],
      conditions: {
        ready: always || isReady(pod),
        serving: isServing(pod),
        terminating: pod.metadata.deletionTimestamp !== undefined,
      },
      ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
      targetRef: referenceTo(pod),
    })),
    ports: group[0] === undefined ? [] : portsOn(group[0], service),
  }));
}

/** Where a pod listens for each port of a Service; a port that the pod has no name for is left out. */
function portsOn(pod: Pod, service: Service): SlicePort[] {
  return (service.spec?.ports ?? []).flatMap((port): SlicePort[] => {
    const number = targetPortOn(pod.spec, port.targetPort ?? port.port);
    if (number === undefined) return [];
    return [
      {
        name: port.name ?? '',
        port: boundPort(pod, number),
        protocol: port.protocol ?? 'TCP',
        ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
      },
    ];
  });
}

function referenceTo({ metadata }: Pod) {
  return { kind: 'Pod', name: metadata.name, namespace: metadata.namespace ?? '', uid: metadata.uid ?? '' };
}

/** The same in the older form. */
function endpointsOf(service: Service, pods: readonly Pod[]): Endpoints {
  const { name, namespace = '', labels } = service.metadata;
  const always = service.spec?.publishNotReadyAddresses === true;
  const byPorts = Map.groupBy(pods, (pod) => JSON.stringify(portsOn(pod, service)));
  const subsets = [...byPorts.values()].map((group) => {
    const addressOf = (pod: Pod) => ({
      ip: pod.status?.podIP ?? '',
      ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
      targetRef: referenceTo(pod),
    });
    const addresses = group.filter((pod) => always || isReady(pod)).map(addressOf);
    const notReadyAddresses = group.filter((pod) => !always && !isReady(pod)).map(addressOf);
    const ports = portsOn(group[0] as Pod, service).map(({ name: portName, port, ...rest }) => ({
      ...(portName === '' || portName === undefined ? {} : { name: portName }),
      port: port as number,
      ...rest,
    }));
    return {
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ports,
    };
  });
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: { name, namespace, labels: { ...labels, ...ENDPOINTS_MANAGER } },
    ...(subsets.length > 0 ? { subsets } : {}),
  };
}
