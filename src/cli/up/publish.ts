// Which ports of this machine stand for which ports of a gateway's Service: the `--publish` flag, and what is published without one.

import { explainBindError } from '../../dataplane/config/endpoint.ts';

/** One `--publish [ADDR:]HOSTPORT:SERVICEPORT`. */
export interface PublishRequest {
  /** The address of this machine to bind, `127.0.0.1` unless given. */
  address: string;
  /** 0 = any free port. */
  hostPort: number;
  servicePort: number;
}

/** A port of the gateway's Service. */
export interface ServicePort {
  name: string;
  port: number;
  /** The port the gateway's listener binds in its pod. */
  targetPort: number;
  /** The port that leads to it on every node of a cluster. */
  nodePort?: number;
}

/** A port of this machine that leads to a Service port. */
export interface PublishedPort extends ServicePort {
  address: string;
  hostPort: number;
  /** It stands for the Service's node port. */
  isNodePort?: true;
  /** Why it is not the Service port's own number, or undefined where it is (or was asked for). */
  note?: string;
}

/** What there is to be had on this machine. */
export interface TryPort {
  /** Tries to bind an address; tells why it can't (an errno code such as EADDRINUSE), or undefined when it can. */
  probe: (address: string, port: number) => Promise<string | undefined>;
  /** Any port that is free. */
  anyPort: (address: string) => Promise<number>;
}

/** What is added to a Service's port number where that one is taken or needs privileges: 80 → 8080, 443 → 8443. */
const FALLBACK_OFFSET = 8000;

/**
 * Reads one `--publish` value.
 * @throws Error that says what was expected
 */
export function parsePublish(text: string): PublishRequest {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[0-9.]+|localhost):)?(\d{1,5}):(\d{1,5})$/.exec(text);
  const hostPort = Number(match?.[2]);
  const servicePort = Number(match?.[3]);
  if (match === null || hostPort > 65535 || servicePort < 1 || servicePort > 65535) {
    throw new Error(
      `--publish ${text}: expected [ADDR:]HOSTPORT:SERVICEPORT, for example 8080:80 or 127.0.0.1:8443:443`,
    );
  }
  const address = match[1] === undefined || match[1] === 'localhost' ? '127.0.0.1' : match[1].replace(/^\[|\]$/g, '');
  return { address, hostPort, servicePort };
}

/**
 * The ports to publish.
 * @param requests what `--publish` asked for; when there is none, every Service port on 127.0.0.1 under its own number, or that + 8000,
 *   or any free one, whichever can be bound first. Never 0: all pods of a Service are to have the same number, and after a restart too.
 * @throws Error for a Service port that does not exist or a requested port that can't be bound
 */
export async function choosePorts(
  service: { name: string; ports: readonly ServicePort[] },
  requests: readonly PublishRequest[],
  { probe, anyPort }: TryPort,
): Promise<PublishedPort[]> {
  if (requests.length > 0) {
    const published: PublishedPort[] = [];
    for (const { address, hostPort, servicePort } of requests) {
      const port = service.ports.find((candidate) => candidate.port === servicePort);
      if (port === undefined) {
        const known = service.ports.map((candidate) => candidate.port).join(', ');
        throw new Error(
          `--publish ${hostPort}:${servicePort}: the Service ${service.name} has no port ${servicePort}; it has ${known}`,
        );
      }
      const reason = await probe(address, hostPort);
      if (reason !== undefined)
        throw new Error(
          `--publish ${hostPort}:${servicePort}: ${explainBindError({ host: address, port: hostPort }, reason, 'publish on')}`,
        );
      published.push({ ...port, address, hostPort: hostPort === 0 ? await anyPort(address) : hostPort });
    }
    return published;
  }
  const published: PublishedPort[] = [];
  const address = '127.0.0.1';
  const own = new Set(service.ports.map((port) => port.port));
  for (const port of service.ports) {
    const reason = await probe(address, port.port);
    if (reason === undefined) {
      published.push({ ...port, address, hostPort: port.port });
      continue;
    }
    const fallback = port.port + FALLBACK_OFFSET;
    const fallbackFits = fallback <= 65535 && !own.has(fallback) && (await probe(address, fallback)) === undefined;
    const why = reason === 'EACCES' ? `port ${port.port} needs privileges` : `port ${port.port} is taken`;
    published.push({
      ...port,
      address,
      hostPort: fallbackFits ? fallback : await anyPort(address),
      note: fallbackFits ? why : `${why}, and so is ${fallback}`,
    });
  }
  return published;
}

/**
 * The node ports to publish: those that are free. A node port is an exact number or none; who needs another way in has the Service's own ports.
 */
export async function chooseNodePorts(ports: readonly ServicePort[], { probe }: TryPort): Promise<PublishedPort[]> {
  const address = '127.0.0.1';
  const published: PublishedPort[] = [];
  for (const port of ports) {
    if (port.nodePort === undefined || (await probe(address, port.nodePort)) !== undefined) continue;
    published.push({ ...port, address, hostPort: port.nodePort, isNodePort: true });
  }
  return published;
}
