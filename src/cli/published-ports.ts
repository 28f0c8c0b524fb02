// Which ports of this machine lead to which ports of gateways' Services, in words: for the log of `limen up` and for `limen install`.

import { formatHostPort } from './host-port.ts';
import type { InstancePort, InstanceProxy } from './instance.ts';

/** The published ports by gateway (`NAME.NAMESPACE`), a text each: `127.0.0.1:8080 → Service port 80 (http2)`. */
export function publishedPorts(proxies: readonly InstanceProxy[]): Map<string, readonly string[]> {
  const byGateway = Map.groupBy(proxies, ({ workload, namespace }) => `${workload}.${namespace}`);
  return new Map([...byGateway].map(([gateway, pods]) => [gateway, textsOf(portsOf(pods))]));
}

/** The ports of a gateway's pods, which share them: where they can't, one has them. */
function portsOf(pods: readonly InstanceProxy[]): readonly InstancePort[] {
  return pods.find(({ published }) => published.length > 0)?.published ?? [];
}

/** Node ports are left out where the Service has a port of its own on this machine. */
function textsOf(ports: readonly InstancePort[]): string[] {
  const direct = new Set(ports.filter(({ isNodePort }) => !isNodePort).map(({ servicePort }) => servicePort));
  return ports
    .filter(({ isNodePort, servicePort }) => !isNodePort || !direct.has(servicePort))
    .map(({ address, port, servicePort, portName }) => {
      const name = portName === String(servicePort) ? '' : ` (${portName})`;
      return `${formatHostPort({ host: address, port })} → Service port ${servicePort}${name}`;
    });
}
