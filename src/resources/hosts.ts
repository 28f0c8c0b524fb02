// Host names as Istio objects use them: syntax, wildcards, and `namespace/host` pairs.

import { isIP } from 'node:net';
import { isDnsLabel } from './names.ts';

/** A DNS name without wildcard; a trailing dot is allowed. A name whose last label is a number is none: it would be an address. */
export function isFqdn(host: string): boolean {
  return isDomain(host, isHostLabel);
}

/** A DNS name whose first label may be `*` or start with `*`; or `*` alone. */
export function isWildcardDomain(host: string): boolean {
  const dot = host.indexOf('.');
  const first = dot < 0 ? host : host.slice(0, dot);
  if (first === '*') return dot < 0 || isDomain(host.slice(dot + 1), isHostLabel);
  if (!first.startsWith('*')) return isFqdn(host);
  return isDomain(first.replace(/^\*-?/, '') + (dot < 0 ? '' : host.slice(dot)), isHostLabel);
}

/** An IPv4 or IPv6 address. */
export function isIpAddress(text: string): boolean {
  return isIP(text) !== 0;
}

/** An address, or an address range in CIDR notation. */
export function isIpSubnet(text: string): boolean {
  const slash = text.indexOf('/');
  if (slash < 0) return isIpAddress(text);
  const family = isIP(text.slice(0, slash));
  const bits = text.slice(slash + 1);
  return family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

function isHostLabel(label: string): boolean {
  return isDnsLabel(label.toLowerCase());
}

function isDomain(host: string, isLabel: (label: string) => boolean): boolean {
  if (host === '' || host.length > 255) return false;
  const labels = host.split('.');
  if (labels.length > 1 && labels.at(-1) === '') labels.pop();
  return labels.every(isLabel) && !/^\d+$/.test(labels.at(-1) as string);
}

/** Whether a host falls under a pattern: the same name, or a name (or wildcard) below the pattern's wildcard. Case does not count. */
export function hostMatches(pattern: string, host: string): boolean {
  const wanted = pattern.toLowerCase();
  const name = host.toLowerCase();
  if (!wanted.startsWith('*')) return wanted === name;
  const suffix = wanted.slice(1);
  return name.startsWith('*') ? name.slice(1).endsWith(suffix) : name.length > suffix.length && name.endsWith(suffix);
}

/** Whether some host falls under both patterns. */
export function hostsOverlap(one: string, other: string): boolean {
  return hostMatches(one, other) || hostMatches(other, one);
}

/** A Gateway server's host: which namespaces' VirtualServices may use it (`*`: all, `.`: the Gateway's own), and the name itself. */
export interface ServerHost {
  namespace: string;
  host: string;
}

/** Parts a Gateway server's `[namespace/]host`. https://istio.io/latest/docs/reference/config/networking/gateway/#Server */
export function parseServerHost(text: string): ServerHost {
  const slash = text.indexOf('/');
  return slash < 0 ? { namespace: '*', host: text } : { namespace: text.slice(0, slash), host: text.slice(slash + 1) };
}
