// An address to bind, as text, and why it could not be bound. Imports nothing: the command line uses it before anything else is loaded.

/** An IP address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `ip:port`, IPv6 in brackets. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Why an address could not be bound, and what to do.
 * @param code the errno's name
 * @param remedy what to do with another port: `choose` it, or `publish on` it
 */
export function explainBindError(endpoint: Endpoint, code: string, remedy = 'choose'): string {
  const where = formatEndpoint(endpoint);
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is taken by another process: stop it (\`ss -ltnp 'sport = :${endpoint.port}'\` tells which), or ${remedy} another port`;
    case 'EACCES':
      return `${where} needs privileges: ${remedy} a port from 1024 up, or run as root`;
    case 'EADDRNOTAVAIL':
      return `${where} can't be bound: ${endpoint.host} is not an address of this machine`;
    default:
      return `${where} can't be bound (${code})`;
  }
}
