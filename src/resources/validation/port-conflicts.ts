// Servers that cannot both have a port of the same gateway workload: the oldest Gateway's server is served, the others are not.

import { error } from '../finding.ts';
import { parseServerHost } from '../hosts.ts';
import { byAge, describeKey, keyOf } from '../object.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Gateway, GatewayServer } from '../types.ts';
import type { ObjectFinding } from './references.ts';
import { protocolClass } from './syntax.ts';

interface Placed {
  gateway: Gateway;
  server: GatewayServer;
  index: number;
}

/**
 * Servers of Gateways with one selector that share a port but not its protocol, or a host that only one of them can have.
 * https://istio.io/latest/docs/reference/config/analysis/ist0145/
 */
export function findPortConflicts(snapshot: Snapshot): ObjectFinding[] {
  const findings: ObjectFinding[] = [];
  const byPort = new Map<string, Placed[]>();
  for (const gateway of snapshot.list('Gateway').sort(byAge)) {
    const selector = JSON.stringify(Object.entries(gateway.spec?.selector ?? {}).sort());
    for (const [index, server] of (gateway.spec?.servers ?? []).entries()) {
      const key = `${selector} ${server.bind ?? ''} ${server.port.number}`;
      const placed = byPort.get(key) ?? [];
      byPort.set(key, placed);
      const conflict = findConflict({ gateway, server, index }, placed);
      if (conflict === undefined) placed.push({ gateway, server, index });
      else findings.push(conflict);
    }
  }
  return findings;
}

function findConflict(added: Placed, placed: readonly Placed[]): ObjectFinding | undefined {
  const { gateway, server, index } = added;
  const protocol = protocolClass(server.port.protocol);
  const path = ['spec', 'servers', index];
  for (const other of placed) {
    const name = `servers[${other.index}]${other.gateway === gateway ? '' : ` of ${describeKey(keyOf(other.gateway))}`}`;
    const otherProtocol = protocolClass(other.server.port.protocol);
    if (protocol !== otherProtocol) {
      const message = `port ${server.port.number} is ${other.server.port.protocol} already (${name}); this ${server.port.protocol} server is not served`;
      return {
        object: gateway,
        finding: error([...path, 'port', 'protocol'], message, 'give one of them another port, or the same protocol'),
      };
    }
    if (protocol === 'tcp') {
      const message = `port ${server.port.number} has a TCP server already (${name}); this one is not served`;
      return {
        object: gateway,
        finding: error(
          [...path, 'port', 'number'],
          message,
          'TCP has no host names to tell servers apart: use another port',
        ),
      };
    }
    // The same Gateway's HTTP servers may share hosts: their routes are merged.
    if (other.gateway === gateway && protocol === 'http') continue;
    const shared = server.hosts.findIndex((host) => other.server.hosts.some((theirs) => sameHost(host, theirs)));
    if (shared >= 0) {
      const message = `port ${server.port.number} has host ${server.hosts[shared]} already (${name})`;
      return {
        object: gateway,
        finding: error(
          [...path, 'hosts', shared],
          message,
          'the older Gateway wins: use other hosts, or one Gateway for both',
        ),
      };
    }
  }
  return undefined;
}

function sameHost(one: string, other: string): boolean {
  const a = parseServerHost(one);
  const b = parseServerHost(other);
  const namespacesMeet = a.namespace === '*' || b.namespace === '*' || a.namespace === b.namespace;
  return namespacesMeet && a.host === b.host;
}
