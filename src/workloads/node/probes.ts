// Probes: whether a container answers as its spec asks. https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/

import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { connect } from 'node:net';
import type { Container } from '../container-runtime.ts';

/** A probe of a container's spec. */
export type Probe = NonNullable<Container['readinessProbe']>;

/** What a probe is held against. */
export interface ProbeTarget {
  container: Container;
  /** The pod's address. */
  ip: string;
  /** The port that is listened on for a container port. */
  boundPort: (port: number) => number;
  /** Runs a command in the container; its exit code and what it wrote. */
  exec: (command: readonly string[], timeoutMs: number) => Promise<{ code: number; output: string }>;
}

/** Probes once. Returns why it failed, as `kubectl describe` shows it, or undefined. Does not reject. */
export async function probeOnce(probe: Probe, target: ProbeTarget): Promise<string | undefined> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000;
  if (probe.exec !== undefined) {
    const { code, output } = await target
      .exec(probe.exec.command ?? [], timeoutMs)
      .catch((error: Error) => ({ code: -1, output: error.message }));
    return code === 0 ? undefined : output.trim() || `command exited with ${code}`;
  }
  const action = probe.httpGet ?? probe.tcpSocket;
  if (action === undefined) return 'this kind of probe is not supported: use httpGet, tcpSocket or exec';
  const declared = portNumber(action.port, target.container);
  if (declared === undefined) return `no container port is named "${action.port}"`;
  const host = action.host || target.ip;
  const port = host === target.ip ? target.boundPort(declared) : declared;
  return probe.httpGet === undefined ? connects(host, port, timeoutMs) : answers(probe.httpGet, host, port, timeoutMs);
}

function portNumber(port: number | string, { ports = [] }: Container): number | undefined {
  if (typeof port === 'number') return port;
  return ports.find(({ name }) => name === port)?.containerPort ?? (/^\d+$/.test(port) ? Number(port) : undefined);
}

/** Connects and closes. Returns why it could not, or undefined. */
export function connects(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: timeoutMs });
    const done = (result: string | undefined) => {
      resolve(result);
      socket.destroy();
    };
    socket.on('connect', () => done(undefined));
    socket.on('timeout', () => done(`dial tcp ${host}:${port}: i/o timeout`));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      done(
        `dial tcp ${host}:${port}: ${error.code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message}`,
      ),
    );
  });
}

/** 200 to 399 is an answer. A certificate is not looked at. */
function answers(
  { path = '/', scheme = 'HTTP', httpHeaders = [] }: NonNullable<Probe['httpGet']>,
  host: string,
  port: number,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.32', accept: '*/*', connection: 'close' };
    for (const { name, value } of httpHeaders) headers[name.toLowerCase()] = value;
    const options = { host, port, path: path.startsWith('/') ? path : `/${path}`, headers, agent: false as const };
    const secure = scheme.toUpperCase() === 'HTTPS';
    const where = `Get "${scheme.toLowerCase()}://${host}:${port}${options.path}"`;
    let call: ReturnType<typeof request>;
    try {
      call = secure ? requestTls({ ...options, rejectUnauthorized: false }) : request(options);
    } catch (error) {
      return resolve(`${where}: ${(error as Error).message}`); // a header or path that HTTP has no place for
    }
    const timer = setTimeout(() => call.destroy(new Error('context deadline exceeded')), timeoutMs);
    call.on('error', (error) => resolve(`${where}: ${error.message}`));
    call.on('response', (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
      call.destroy();
    });
    call.on('close', () => clearTimeout(timer));
    call.end();
  });
}
