// Keeps the admin port to people and programs of this machine: it can end the proxy and shows its configuration.

import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import type { Answer } from './http-endpoint.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** True for `localhost`, names under it (RFC 6761 section 6.3), 127.0.0.0/8 and ::1; IPv6 with or without brackets. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const family = isIP(name);
  if (family !== 0) return loopback.check(name, family === 4 ? 'ipv4' : 'ipv6');
  return name === 'localhost' || name.endsWith('.localhost');
}

/**
 * Refuses requests that a web page of a stranger makes a browser send here: by a name that it points at 127.0.0.1 (DNS rebinding: the Host header
 * shows it), or by a plain cross-site form post (the Origin header shows it).
 */
export function refuseStrangers(request: IncomingMessage): Answer | undefined {
  const host = hostOf(request.headers.host ?? '');
  if (!isLoopbackHost(host))
    return {
      status: 403,
      body: `the admin interface answers to localhost and loopback addresses only, not to ${JSON.stringify(host)}\n`,
    };
  const { origin } = request.headers;
  if (origin !== undefined && !isLoopbackHost(hostOf(origin.replace(/^[a-z]+:\/\//i, ''))))
    return { status: 403, body: 'the admin interface takes no requests from web pages of other origins\n' };
  return undefined;
}

/** `host:port` less the port. */
function hostOf(authority: string): string {
  return authority.replace(/:\d*$/, '');
}
