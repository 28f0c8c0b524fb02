// What a proxy says of itself to the control plane, in the form Istio's agent gives it: the node of xDS.
// https://istio.io/latest/docs/ops/deployment/application-requirements/

import { create, type JsonObject, type JsonValue } from '@bufbuild/protobuf';
import { type Node, NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';

/** Who the proxy is. */
export interface ProxyIdentity {
  /** `router~IP~pod.namespace~namespace.svc.cluster.local` */
  nodeId: string;
  /** `key=value` each. */
  label?: readonly string[] | undefined;
  serviceAccount?: string | undefined;
  /** `KEY=VALUE` each: further node metadata, or other values of ours. A value that is a JSON object is one. */
  metadata?: readonly string[] | undefined;
}

/** What Istio's agent of the API version that Limen speaks would say; a control plane leaves out what older proxies do not know. */
const ISTIO_VERSION = '1.29.0';
/** Istio's default (`meshConfig.defaultConfig.meshId` follows the trust domain). */
const MESH_ID = 'cluster.local';

/** Istio's name of a mesh's first cluster (values.global.multiCluster.clusterName). */
const CLUSTER_ID = 'Kubernetes';

/**
 * The node of a proxy.
 * @param more further metadata
 * @throws Error for a label or metadata that is none
 */
export function proxyNode({ nodeId, label, serviceAccount, metadata }: ProxyIdentity, more: JsonObject = {}): Node {
  const [, ip = '', workload = ''] = nodeId.split('~');
  const dot = workload.indexOf('.');
  const pod = dot === -1 ? workload : workload.slice(0, dot);
  const labels = Object.fromEntries((label ?? []).map(parseLabel));
  const given = Object.fromEntries((metadata ?? []).map(parseMetadata));
  const name = typeof given.WORKLOAD_NAME === 'string' ? given.WORKLOAD_NAME : (labels.app ?? pod);
  return create(NodeSchema, {
    id: nodeId,
    // Istio's serviceClusterNaming APP_LABEL_AND_NAMESPACE: https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#ProxyConfig
    cluster: `${labels.app ?? name}.${workload.slice(dot + 1)}`,
    metadata: {
      NAME: pod,
      NAMESPACE: dot === -1 ? '' : workload.slice(dot + 1),
      CLUSTER_ID,
      INSTANCE_IPS: ip,
      LABELS: labels,
      ISTIO_VERSION,
      MESH_ID,
      WORKLOAD_NAME: name,
      ...(serviceAccount === undefined ? {} : { SERVICE_ACCOUNT: serviceAccount }),
      ...more,
      ...given,
    },
  });
}

function parseMetadata(text: string): [key: string, value: JsonValue] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new Error(`--metadata ${text}: expected KEY=VALUE, for example CLUSTER_ID=east`);
  const value = text.slice(equals + 1);
  if (!value.startsWith('{')) return [text.slice(0, equals), value];
  try {
    return [text.slice(0, equals), JSON.parse(value) as JsonValue];
  } catch (error) {
    throw new Error(`--metadata ${text}: expected a JSON object after '=': ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function parseLabel(text: string): [key: string, value: string] {
  const equals = text.indexOf('=');
  if (equals < 1) throw new Error(`--label ${text}: expected KEY=VALUE, for example istio=ingressgateway`);
  return [text.slice(0, equals), text.slice(equals + 1)];
}
