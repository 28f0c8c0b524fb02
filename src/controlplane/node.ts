// Who a proxy is: read out of the node that it introduces itself with over xDS, in the form Istio's agent writes.

import type { JsonValue } from '@bufbuild/protobuf';
import type { Node } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { VHDS_FEATURE } from '../xds/resources.ts';
import { BIND_METADATA, type Bind, parseBind } from './bind.ts';

/** A proxy, as the translation sees it. */
export interface ProxyNode {
  /** `router~IP~pod.namespace~namespace.svc.cluster.local` */
  readonly id: string;
  readonly type: 'router' | 'sidecar';
  readonly ip: string;
  readonly podName: string;
  readonly namespace: string;
  /** Labels of the workload: what a Gateway's `selector` is held against. */
  readonly labels: Readonly<Record<string, string>>;
  readonly cluster: string;
  /** Whether it can speak HTTP/2 to upstreams: Limen's own proxy, by its user agent name, can't yet. */
  readonly http2: boolean;
  /** Whether it takes virtual hosts as resources of their own, beside their route configurations. */
  readonly vhds?: boolean | undefined;
  /** `grpc` for an application whose gRPC library is the client: it names what it wants, and gets that in the form gRPC takes. */
  readonly generator?: 'grpc' | undefined;
  /** Where a sidecar is to serve as the HTTP proxy of its workload: Istio's `HTTP_PROXY_PORT`. */
  readonly httpProxyPort?: number | undefined;
  /** Where it binds its listeners, for an Envoy that does not do so by itself. */
  readonly bind?: Bind | undefined;
}

/** `user_agent_name` of Limen's proxy. */
const LIMEN = 'limen';

/**
 * Reads a proxy's identity.
 * @param node `id` is `<type>~<IP>~<pod>.<namespace>~<domain>`; metadata holds LABELS and NAMESPACE
 * @throws Error that says what is wrong with the id or the metadata
 */
export function parseNode(node: Node): ProxyNode {
  const parts = node.id.split('~');
  const [type, ip, workload, domain] = parts;
  if (parts.length !== 4 || ip === undefined || workload === undefined || domain === undefined) {
    throw new Error(malformed(node.id, `it has ${parts.length} parts`));
  }
  if (type !== 'router' && type !== 'sidecar') throw new Error(malformed(node.id, `'${type}' is not a type of proxy`));
  if (ip === '') throw new Error(malformed(node.id, 'the IP is empty'));
  const dot = workload.indexOf('.');
  const metadata = node.metadata ?? {};
  const namespace = text(metadata.NAMESPACE) ?? (dot < 0 ? '' : workload.slice(dot + 1));
  const podName = dot < 0 ? workload : workload.slice(0, dot);
  if (podName === '' || namespace === '') throw new Error(malformed(node.id, `'${workload}' is not POD.NAMESPACE`));
  return {
    id: node.id,
    type,
    ip,
    podName,
    namespace,
    labels: labelsOf(metadata.LABELS),
    cluster: node.cluster,
    http2: node.userAgentName !== LIMEN,
    vhds: node.clientFeatures.includes(VHDS_FEATURE),
    generator: metadata.GENERATOR === 'grpc' ? 'grpc' : undefined,
    httpProxyPort: portOf(metadata.HTTP_PROXY_PORT),
    bind: parseBind(metadata[BIND_METADATA]),
  };
}

function malformed(id: string, why: string): string {
  return `node id '${id}' is not of the form router~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local: ${why}`;
}

function portOf(value: JsonValue | undefined): number | undefined {
  if (value === undefined || value === '') return undefined;
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new Error(`node metadata HTTP_PROXY_PORT: expected a port from 1 to 65535, got ${JSON.stringify(value)}`);
  return port;
}

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function labelsOf(value: JsonValue | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    for (const [name, label] of Object.entries(value)) if (typeof label === 'string') labels[name] = label;
  }
  return labels;
}
