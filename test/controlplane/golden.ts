// Translates the YAML of a golden file for the default gateway.

import { type JsonValue, toJson } from '@bufbuild/protobuf';
import { INTERNAL_ADDRESSES } from '../../src/controlplane/listeners/http.ts';
import type { ProxyNode } from '../../src/controlplane/node.ts';
import { createPushContext } from '../../src/controlplane/push-context.ts';
import { retryPolicy } from '../../src/controlplane/routes/retry.ts';
import { type Notice, translate } from '../../src/controlplane/translate.ts';
import { loadDocuments } from '../../src/resources/load.ts';
import { describeKey, type ResourceObject } from '../../src/resources/object.ts';
import { Snapshot } from '../../src/resources/snapshot.ts';
import type { Service } from '../../src/resources/types.ts';
import { type RetryPolicy, RetryPolicySchema } from '../../src/xds/gen/envoy/config/route/v3/route_components_pb.js';
import { HttpConnectionManager_InternalAddressConfigSchema } from '../../src/xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { typeRegistry } from '../../src/xds/registry.ts';
import { PUSH_ORDER, type ResourceSet, shortTypeName } from '../../src/xds/resources.ts';
import { decodeResource, RESOURCE_SCHEMAS } from '../../src/xds/schemas.ts';
import { fillIn } from './certificates.ts';

/** The gateway every golden is translated for. */
export const NODE = {
  id: 'router~127.0.0.1~istio-ingressgateway-1.istio-system~istio-system.svc.cluster.local',
  type: 'router',
  ip: '127.0.0.1',
  podName: 'istio-ingressgateway-1',
  namespace: 'istio-system',
  labels: { app: 'istio-ingressgateway', istio: 'ingressgateway' },
  cluster: 'istio-ingressgateway.istio-system',
  http2: true,
} as const;

const GATEWAY_SERVICE: Service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'istio-ingressgateway', namespace: 'istio-system' },
  spec: {
    selector: NODE.labels,
    ports: [
      { name: 'http2', port: 80, targetPort: 8080 },
      { name: 'https', port: 443, targetPort: 8443 },
      { name: 'tcp', port: 31400, targetPort: 31400 },
    ],
  },
};

/** The resources as protobuf JSON, by CDS, EDS, LDS, RDS, SDS. */
export type JsonResources = Record<string, JsonValue[]>;

/** Decodes what went over the wire. */
export function toJsonResources(resources: ResourceSet): JsonResources {
  return Object.fromEntries(
    PUSH_ORDER.filter((typeUrl) => resources.has(typeUrl)).map((typeUrl) => [
      shortTypeName(typeUrl),
      [...(resources.get(typeUrl)?.values() ?? [])].map(({ any }) =>
        toJson(RESOURCE_SCHEMAS[typeUrl], decodeResource(typeUrl, any.value), { registry: typeRegistry() }),
      ),
    ]),
  );
}

/** The proxy of a golden that is not for the default gateway: `# proxy: POD.NAMESPACE LABEL=VALUE,…`, or `# sidecar: …`. */
function nodeOf(text: string): ProxyNode {
  const [, kind, podName, namespace, labels] = /^# (proxy|sidecar): ([^.\s]+)\.(\S+) (\S+)$/m.exec(text) ?? [];
  if (podName === undefined || namespace === undefined || labels === undefined) return NODE;
  const type = kind === 'proxy' ? 'router' : 'sidecar';
  return {
    ...NODE,
    type,
    ...(type === 'sidecar' ? { httpProxyPort: 15001 } : {}),
    id: `${type}~127.0.0.2~${podName}.${namespace}~${namespace}.svc.cluster.local`,
    ...{ ip: '127.0.0.2', podName, namespace, cluster: `${podName}.${namespace}` },
    labels: Object.fromEntries(labels.split(',').map((label) => label.split('=') as [string, string])),
  };
}

/**
 * Translates the documents of a golden. Its first lines may say what is worth showing: `# shows: RDS LDS`, and for which proxy. The default
 * gateway's Service is there for gateways unless the input has its own, and then its clusters are not shown.
 */
export async function translateYaml(
  text: string,
  file: string,
): Promise<{ shown: Record<string, JsonValue>; resources: JsonResources }> {
  const { text: filled, hide } = await fillIn(text);
  const { objects, problems } = loadDocuments(filled, file);
  const wrong = problems.filter(({ severity }) => severity === 'error');
  if (wrong.length > 0)
    throw new Error(wrong.map(({ line, message, field }) => `${file}:${line} ${field} ${message}`).join('\n'));
  const all: ResourceObject[] = objects.map(({ object }) => object);
  const node = nodeOf(text);
  const ownService =
    node.type === 'sidecar' ||
    all.some(({ kind, metadata }) => kind === 'Service' && metadata.name === 'istio-ingressgateway');
  if (!ownService) all.push(GATEWAY_SERVICE);
  const { resources, notices } = translate(createPushContext(Snapshot.of(all)), node);
  const json = toJsonResources(resources);
  const types = /^# shows: (.*)$/m.exec(text)?.[1]?.split(' ') ?? Object.keys(json);
  const shown: Record<string, JsonValue> = {};
  for (const type of types) {
    shown[type] = (json[type] ?? []).filter((resource) => ownService || !isGatewayOwn(resource));
  }
  shown.notices = notices.map(describeNotice);
  const abbreviated = types.length === Object.keys(json).length ? shown : abbreviate(shown);
  return { shown: JSON.parse(hide(JSON.stringify(abbreviated))) as Record<string, JsonValue>, resources: json };
}

/** What stands in nearly every route is spelled out in `virtual-service` only. */
function abbreviate(value: Record<string, JsonValue>): Record<string, JsonValue> {
  const usual: Record<string, string> = {
    retryPolicy: JSON.stringify(
      toJson(RetryPolicySchema, retryPolicy(undefined) as RetryPolicy, { registry: typeRegistry() }),
    ),
    internalAddressConfig: JSON.stringify(
      toJson(HttpConnectionManager_InternalAddressConfigSchema, INTERNAL_ADDRESSES, { registry: typeRegistry() }),
    ),
    maxStreamDuration: JSON.stringify({ maxStreamDuration: '0s', grpcTimeoutHeaderMax: '0s' }),
  };
  return JSON.parse(JSON.stringify(value), (key, each: JsonValue) =>
    key in usual && JSON.stringify(each) === usual[key] ? "(Istio's default)" : each,
  ) as Record<string, JsonValue>;
}

function isGatewayOwn(resource: JsonValue): boolean {
  const { name, clusterName } = resource as { name?: string; clusterName?: string };
  const own = (name ?? clusterName ?? '').endsWith('|istio-ingressgateway.istio-system.svc.cluster.local');
  return own || name === 'BlackHoleCluster';
}

/** One line. */
export function describeNotice({ object, field, message }: Notice): string {
  return `${describeKey(object)}${field === undefined ? '' : ` ${field}`}: ${message}`;
}
