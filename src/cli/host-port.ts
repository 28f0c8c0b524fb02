// `HOST:PORT` as flags have it.

/** A host and a port, the host without the brackets of an IPv6 address. */
export interface HostPort {
  host: string;
  port: number;
}

/**
 * Reads one.
 * @param flag for the message
 * @throws Error that says what was expected
 */
export function parseHostPort(text: string, flag: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65535)
    throw new Error(`${flag} ${text}: expected HOST:PORT, for example 127.0.0.1:15010`);
  return { host: match[1] ?? match[2] ?? '', port };
}

/** `host:port`, an IPv6 address in brackets. */
export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
