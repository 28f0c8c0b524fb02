// What the flags of `limen proxy-config` may say. Apart from the tables, so that the command line starts without loading them.

import { InvalidArgumentError } from 'commander';

/** The values of `-o`. */
export const OUTPUT_FORMATS = ['short', 'json', 'yaml'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** What a listener carries. */
export const LISTENER_TYPES = ['HTTP', 'TCP', 'HTTP+TCP', 'UNKNOWN'] as const;
export type ListenerType = (typeof LISTENER_TYPES)[number];

/** What EDS may say of an endpoint. */
export const ENDPOINT_STATUSES = ['UNKNOWN', 'HEALTHY', 'UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'] as const;
export type EndpointStatus = (typeof ENDPOINT_STATUSES)[number];

/** The directions in istiod's cluster names. */
export const DIRECTIONS = ['inbound', 'outbound', 'inbound-vip'] as const;

/** The tables there are. */
export type Table = 'listeners' | 'routes' | 'clusters' | 'endpoints' | 'eds' | 'secrets' | 'bootstrap' | 'all';

/** All flags, as commander names them; each table has some of them. */
export interface ProxyConfigOptions {
  output: OutputFormat;
  namespace?: string;
  file?: string;
  home?: string;
  verbose?: boolean;
  address?: string;
  port?: number;
  type?: ListenerType;
  name?: string;
  fqdn?: string;
  subset?: string;
  direction?: string;
  cluster?: string;
  status?: EndpointStatus;
}

/** A TCP port. Throws what commander prints beside the flag. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65535) throw new InvalidArgumentError('expected a port number, 1 to 65535.');
  return port;
}

/** One of `choices`, in whatever case it is written. */
export function parseChoice<const Choice extends string>(choices: readonly Choice[]): (text: string) => Choice {
  return (text) => {
    const found = choices.find((choice) => choice.toLowerCase() === text.toLowerCase());
    if (found === undefined) throw new InvalidArgumentError(`expected one of ${choices.join(', ')}.`);
    return found;
  };
}

/** `--verbose=false`, as istioctl has it. */
export function parseBoolean(text: string): boolean {
  return parseChoice(['true', 'false'])(text) === 'true';
}
