// Which proxies get the same resources: hundreds of replicas of one gateway are translated for once.

import { createHash } from 'node:crypto';
import type { ProxyNode } from './node.ts';
import type { PushContext } from './push-context.ts';

/**
 * A proxy that stands for all that get the same as this one: its `id` is that of the class, equal for all of them and in all contexts, and
 * `translate` gives all of them the same. What counts is the type, the namespace, the labels (those of its pod where it says none), what it can
 * speak, whether it is a gRPC library, where it is to bind and to serve as HTTP proxy, and the ports that its pod has names for.
 */
export function classOf(context: PushContext, node: ProxyNode): ProxyNode {
  const pod = context.snapshot.get('Pod', node.namespace, node.podName);
  const said = Object.keys(node.labels).length > 0;
  const labels = said ? node.labels : (pod?.metadata.labels ?? {});
  const ports = (pod?.spec?.containers ?? []).flatMap((container) =>
    (container.ports ?? []).map(({ name, containerPort }) => [name ?? '', containerPort]),
  );
  const counts = [
    node.type,
    node.namespace,
    node.http2,
    node.vhds ?? false,
    node.generator ?? null,
    node.bind ?? null,
    node.httpProxyPort ?? null,
    Object.entries(labels).sort(byFirst),
    pod !== undefined,
    ports,
  ];
  const id = createHash('sha256').update(JSON.stringify(counts)).digest('base64url').slice(0, 12);
  return { ...node, id, labels };
}

function byFirst([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
