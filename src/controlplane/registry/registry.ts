// All services of a snapshot with their endpoints, by host name.

import type { ResourceObject } from '../../resources/object.ts';
import { byAge } from '../../resources/object.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { EndpointSlice, Endpoints, Pod, Service, ServiceEntry } from '../../resources/types.ts';
import type { Memo } from '../memo.ts';
import { isVisibleTo } from '../visibility.ts';
import type { EndpointsByPort } from './endpoint.ts';
import { endpointsOf } from './endpoints.ts';
import { fromService, fromServiceEntry, type MeshService } from './service.ts';
import { LabelIndex } from './workloads.ts';

/** The services there are. */
export interface Registry {
  /** Every service, oldest object first. */
  readonly services: readonly MeshService[];
  /** host name → namespace → service. */
  readonly byHostname: ReadonlyMap<string, ReadonlyMap<string, MeshService>>;
  /** The endpoints of a service of this registry. Unchanged endpoints are the identical object as in the registry before. */
  readonly endpointsOf: (service: MeshService) => EndpointsByPort;
  readonly pods: LabelIndex<Pod>;
  /** The identical object as long as no service and no endpoint changed. */
  readonly version: object;
}

/** Reads the services out of a snapshot. */
export function createRegistry(snapshot: Snapshot, memo: Memo): Registry {
  const sources: ResourceObject[] = [...snapshot.list('Service'), ...snapshot.list('ServiceEntry')].sort(byAge);
  const services = memo.get('registry/services', sources, () => sources.flatMap(convert));
  const byHostname = memo.get('registry/by-hostname', [services], () => indexByHostname(services));
  const pods = snapshot.list('Pod');
  const podIndex = memo.get('registry/pods', pods, () => new LabelIndex(pods, (pod) => pod.metadata.labels));
  const entries = snapshot.list('WorkloadEntry');
  const entryIndex = memo.get(
    'registry/workload-entries',
    entries,
    () => new LabelIndex(entries, (entry) => ({ ...entry.metadata.labels, ...entry.spec?.labels })),
  );
  const slices = snapshot.list('EndpointSlice');
  const slicesByService = memo.get('registry/slices', slices, () => Map.groupBy(slices, serviceOfSlice));

  const endpoints = (service: MeshService) => {
    const { name, namespace, selector } = service;
    const isService = service.source.kind === 'Service';
    const own = (isService ? slicesByService.get(`${namespace}/${name}`) : undefined) ?? [];
    const object = isService ? snapshot.get('Endpoints', namespace, name) : undefined;
    const selectedPods = selector === undefined ? [] : podIndex.select(namespace, selector);
    const selectedEntries = selector === undefined ? [] : entryIndex.select(namespace, selector);
    const referred = podsReferredBy(own, object, snapshot);
    return memo.get(
      `endpoints/${service.key.kind}/${namespace}/${service.key.name}/${service.hostname}`,
      [service, object, ...own, ...referred, ...selectedPods, ...selectedEntries],
      () =>
        endpointsOf(service, {
          slices: own,
          endpoints: object,
          pods: selectedPods,
          workloadEntries: selectedEntries,
          podByName: (podNamespace, podName) => snapshot.get('Pod', podNamespace, podName),
        }),
    );
  };
  const sourcesOfAll = [services, podIndex, entryIndex, slicesByService, ...snapshot.list('Endpoints')];
  const version = memo.get('registry/version', sourcesOfAll, () => ({}));
  const known = new Map<MeshService, EndpointsByPort>();
  return {
    services,
    byHostname,
    pods: podIndex,
    version,
    endpointsOf(service) {
      let found = known.get(service);
      if (found === undefined) {
        found = endpoints(service);
        known.set(service, found);
      }
      return found;
    },
  };
}

/** The service behind a host name as a namespace sees it: its own first, else the oldest that is exported to it. */
export function lookUpService(
  registry: Registry,
  hostname: string,
  namespaces: readonly [string, string],
): MeshService | undefined {
  const candidates = registry.byHostname.get(hostname);
  if (candidates === undefined) return undefined;
  const [preferred, viewer] = namespaces;
  const own = candidates.get(preferred);
  if (own !== undefined && isVisibleTo(own.visibility, viewer)) return own;
  for (const candidate of candidates.values()) if (isVisibleTo(candidate.visibility, viewer)) return candidate;
  return undefined;
}

// A converted object is the same as long as its source is: what is built from it can be remembered by its identity.
const converted = new WeakMap<ResourceObject, MeshService[]>();

function convert(source: ResourceObject): MeshService[] {
  let services = converted.get(source);
  if (services === undefined) {
    services = source.kind === 'Service' ? [fromService(source as Service)] : fromServiceEntry(source as ServiceEntry);
    converted.set(source, services);
  }
  return services;
}

function indexByHostname(services: readonly MeshService[]): Map<string, Map<string, MeshService>> {
  const index = new Map<string, Map<string, MeshService>>();
  for (const service of services) {
    let byNamespace = index.get(service.hostname);
    if (byNamespace === undefined) {
      byNamespace = new Map();
      index.set(service.hostname, byNamespace);
    }
    if (!byNamespace.has(service.namespace)) byNamespace.set(service.namespace, service);
  }
  return index;
}

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

function serviceOfSlice({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.[SERVICE_NAME_LABEL] ?? ''}`;
}

/** The pods whose labels the endpoints carry, since a change of them changes the endpoints. */
function podsReferredBy(
  slices: readonly EndpointSlice[],
  endpoints: Endpoints | undefined,
  snapshot: Snapshot,
): (Pod | undefined)[] {
  const refs = [
    ...slices.flatMap((slice) => (slice.endpoints ?? []).map(({ targetRef }) => targetRef)),
    ...(endpoints?.subsets ?? []).flatMap(({ addresses }) => (addresses ?? []).map(({ targetRef }) => targetRef)),
  ];
  const namespace = slices[0]?.metadata.namespace ?? endpoints?.metadata.namespace ?? '';
  return refs.map((ref) =>
    ref?.kind === 'Pod' ? snapshot.get('Pod', ref.namespace ?? namespace, ref.name ?? '') : undefined,
  );
}
