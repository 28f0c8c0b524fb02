// The API server of `limen up`: its certificates, its port, and the kubeconfig that leads to it.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { arch, cpus, hostname, platform, release, type as systemName, totalmem } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { kubeconfig } from '../../apiserver/pki/kubeconfig.ts';
import { openPki } from '../../apiserver/pki/pki.ts';
import { type ApiServer, startApiServer } from '../../apiserver/server.ts';
import type { PodAccess } from '../../resources/pod-access.ts';
import type { Store } from '../../store/store.ts';
import { kubeconfigFile } from '../kubeconfig-file.ts';
import { VERSION } from '../version.ts';

/** What it needs. */
export interface ApiOptions {
  home: string;
  store: Store;
  log: Logger;
  /** Leads to the logs, containers and ports of running pods. */
  podAccess: PodAccess;
  /** `--api-port`; without it the port of the run before, else kube-apiserver's own, else any free one. */
  port?: number;
}

/** An API server that listens. */
export interface Api {
  /** `https://127.0.0.1:6443` */
  readonly url: string;
  /** The kubeconfig's path. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

/** Where the certificates and the token are, in Limen's home. */
const PKI = 'pki';
const DEFAULT_PORT = 6443;

/**
 * Starts the API server of a home and writes the kubeconfig.
 * @throws Error for the user: the port asked for is taken
 */
export async function serveApi({ home, store, log, podAccess, port }: ApiOptions): Promise<Api> {
  const file = kubeconfigFile(home);
  const pki = await openPki(join(home, PKI), new Date());
  const before = portIn(file);
  const start = (candidate: number) =>
    startApiServer({ store, pki, port: candidate, log, podAccess, machine: machine() });
  const server =
    port === undefined
      ? await firstFree([...new Set([before ?? DEFAULT_PORT, DEFAULT_PORT, 0])], start)
      : await start(port).catch((error: unknown) => {
          throw new Error(`--api-port: ${explain(error, port)}`);
        });
  if (port === undefined && server.port !== (before ?? DEFAULT_PORT))
    log.warn({ port: before ?? DEFAULT_PORT, instead: server.port }, 'the port of the API server is taken');
  const unfinished = `${file}.${process.pid}.tmp`;
  rmSync(unfinished, { force: true });
  writeFileSync(unfinished, kubeconfig(server.url, pki), { mode: 0o600, flag: 'wx' });
  renameSync(unfinished, file);
  return { url: server.url, kubeconfig: file, close: () => server.close() };
}

async function firstFree(ports: readonly number[], start: (port: number) => Promise<ApiServer>): Promise<ApiServer> {
  for (const port of ports) {
    try {
      return await start(port);
    } catch (error) {
      if (port === 0 || !isTaken(error)) throw error;
    }
  }
  throw new Error('unreachable: port 0 is any free one');
}

function isTaken(error: unknown): boolean {
  return ['EADDRINUSE', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function explain(error: unknown, port: number): string {
  return (error as NodeJS.ErrnoException).code === 'EADDRINUSE'
    ? `127.0.0.1:${port} is taken by another process; ask for another one, or for none to get a free one`
    : (error as Error).message;
}

/** The port that the kubeconfig of the run before names. */
function portIn(file: string): number | undefined {
  try {
    const port = Number(/^\s*server: https:\/\/127\.0\.0\.1:(\d{1,5})$/m.exec(readFileSync(file, 'utf8'))?.[1]);
    return port > 0 && port < 65_536 ? port : undefined;
  } catch {
    return undefined;
  }
}

function machine() {
  return {
    hostName: hostname(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    platform: platform(),
    architecture: arch(),
    osImage: systemName(),
    kernelVersion: release(),
    version: VERSION,
  };
}
