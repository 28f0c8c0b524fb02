// The names this API server goes by: those its certificate has, and the only ones it answers to.

/** Host names, those a pod knows the API server by among them. */
export const SERVER_NAMES: readonly string[] = [
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];
/** Addresses. The server listens on the first one. */
export const SERVER_ADDRESSES: readonly string[] = ['127.0.0.1', '::1'];

/**
 * Whether a request's Host header names this server. A web page can point a name of its own at 127.0.0.1 (DNS rebinding) and have a browser send
 * requests here; the Host header then has that name.
 */
export function isServerName(authority: string): boolean {
  const host = authority
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return SERVER_NAMES.includes(host) || SERVER_ADDRESSES.includes(host);
}
