// What others are told of the gateways that serve: other commands through `instance.json`, the reader of the banner and of the log.

import type { Logger } from 'pino';
import type { InstanceProxy } from '../../instance.ts';
import { publishedPorts } from '../../published-ports.ts';
import type { PublishedGateway } from '../banner.ts';
import type { GatewayProxy } from './runtime.ts';

/** The proxy's own port, open with and without configuration. */
const STATUS_PORT = 15021;

/** The proxies as `instance.json` has them: the default gateway's first, then in the order of their start. */
export function instanceProxies(proxies: readonly GatewayProxy[]): InstanceProxy[] {
  return defaultFirst(proxies).map(({ published, ...proxy }) => ({
    ...proxy,
    published: published.map(({ address, hostPort, port, name, isNodePort }) => ({
      address,
      port: hostPort,
      servicePort: port,
      portName: name,
      ...(isNodePort ? { isNodePort } : {}),
    })),
  }));
}

/**
 * Logs where a gateway is reached, when it is first reached there, and that it no longer is. Called whenever the proxies have changed; those of the first call are known.
 */
export function tellPorts(log: Logger): (proxies: readonly InstanceProxy[]) => void {
  let told: ReadonlyMap<string, readonly string[]> | undefined;
  return (proxies) => {
    const now = publishedPorts(proxies);
    for (const [gateway, ports] of told === undefined ? [] : now)
      if (ports.join() !== (told?.get(gateway) ?? []).join())
        log.info(
          ports.length > 0 ? `${gateway} is published: ${ports.join('; ')}` : `${gateway} is no longer published`,
        );
    told = now;
  };
}

/**
 * The gateways that have published ports, one for all pods of a workload. Node ports are left out where the Service has a port of its own on this
 * machine.
 * @param listenerPorts the ports of the listeners that a proxy was last sent
 */
export function publishedGateways(
  proxies: readonly GatewayProxy[],
  listenerPorts: (nodeId: string) => readonly number[],
): PublishedGateway[] {
  const byWorkload = Map.groupBy(defaultFirst(proxies), ({ workload, namespace }) => `${workload}.${namespace}`);
  return [...byWorkload].map(([name, pods]) => {
    const open = new Set(pods.flatMap(({ nodeId }) => listenerPorts(nodeId)).concat(STATUS_PORT));
    const all = pods.find(({ published }) => published.length > 0)?.published ?? [];
    const direct = new Set(all.filter(({ isNodePort }) => !isNodePort).map(({ port }) => port));
    return {
      name,
      pods: pods.length,
      published: all
        .filter(({ isNodePort, port }) => !isNodePort || !direct.has(port))
        .map((port) => ({ ...port, open: open.has(port.targetPort) })),
    };
  });
}

function defaultFirst(proxies: readonly GatewayProxy[]): GatewayProxy[] {
  const isDefault = ({ namespace, workload }: GatewayProxy) =>
    namespace === 'istio-system' && workload === 'istio-ingressgateway';
  return [...proxies.filter(isDefault), ...proxies.filter((proxy) => !isDefault(proxy))];
}
