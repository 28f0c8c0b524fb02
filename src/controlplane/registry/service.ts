// What routes lead to: a Service or a host of a ServiceEntry, in one form.

import { serviceHost } from '../../resources/names.ts';
import { keyOf, type ObjectKey } from '../../resources/object.ts';
import type { Service, ServiceEntry } from '../../resources/types.ts';
import { type Visibility, visibilityOf } from '../visibility.ts';
import { type Protocol, parseProtocol, protocolOfPort } from './protocol.ts';

/** How a proxy finds the endpoints: told by the control plane, by DNS (all addresses, or one at a time), or where the client was going. */
export type Resolution = 'static' | 'dns' | 'dns-round-robin' | 'none';

/** One port of a service. */
export interface ServicePort {
  /** '' where the author gave none. */
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** A number, or the name of a container port. */
  readonly targetPort: number | string;
}

/** One host name that can be routed to. */
export interface MeshService {
  readonly hostname: string;
  /** The Service's name; of a ServiceEntry, the host. */
  readonly name: string;
  readonly namespace: string;
  readonly ports: readonly ServicePort[];
  readonly resolution: Resolution;
  readonly external: boolean;
  readonly visibility: Visibility;
  /** Labels that select pods (and WorkloadEntries) as endpoints; undefined when nothing is selected. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** The other name of an ExternalName Service. */
  readonly externalName: string | undefined;
  readonly source: Service | ServiceEntry;
  readonly key: ObjectKey;
}

/** Set on a Service, it is what `exportTo` is on Istio's own kinds. */
const EXPORT_TO = 'networking.istio.io/exportTo';

/** A Kubernetes Service as Istio sees it. */
export function fromService(service: Service): MeshService {
  const { name, namespace = '', annotations } = service.metadata;
  const spec = service.spec ?? {};
  const isExternalName = spec.type === 'ExternalName';
  const selector = spec.selector;
  return {
    hostname: serviceHost(name, namespace),
    name,
    namespace,
    ports: (spec.ports ?? []).map((port) => ({
      name: port.name ?? '',
      number: port.port,
      protocol: protocolOfPort(port),
      targetPort: port.targetPort ?? port.port,
    })),
    resolution: isExternalName ? 'dns' : 'static',
    external: isExternalName,
    visibility: visibilityOf(
      annotations?.[EXPORT_TO]?.split(',').map((to) => to.trim()),
      namespace,
    ),
    selector: selector !== undefined && Object.keys(selector).length > 0 ? selector : undefined,
    externalName: isExternalName ? spec.externalName : undefined,
    source: service,
    key: keyOf(service),
  };
}

/** A ServiceEntry: one service for each of its hosts. */
export function fromServiceEntry(entry: ServiceEntry): MeshService[] {
  const { namespace = '' } = entry.metadata;
  const spec = entry.spec;
  if (spec === undefined) return [];
  const ports = (spec.ports ?? []).map((port) => ({
    name: port.name,
    number: port.number,
    protocol: parseProtocol(port.protocol ?? 'TCP'),
    targetPort: port.targetPort ?? port.number,
  }));
  return spec.hosts.map((hostname) => ({
    hostname,
    name: hostname,
    namespace,
    ports,
    resolution: resolutionOf(spec.resolution),
    external: spec.location !== 'MESH_INTERNAL',
    visibility: visibilityOf(spec.exportTo, namespace),
    selector: spec.workloadSelector?.labels,
    externalName: undefined,
    source: entry,
    key: keyOf(entry),
  }));
}

function resolutionOf(resolution: string | undefined): Resolution {
  switch (resolution) {
    case 'STATIC':
      return 'static';
    case 'DNS':
      return 'dns';
    case 'DNS_ROUND_ROBIN':
      return 'dns-round-robin';
    default:
      return 'none';
  }
}
