// A data plane that `limen up` did not start, as on another machine: `limen proxy`, or an Envoy with the output of `limen bootstrap`.

import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from '../../src/cli/instance.ts';
import { type Limen, PROGRAM, run } from '../walkthroughs/limen.ts';

/** What carries the traffic. */
export type Kind = 'limen' | 'envoy';

/** A data plane of its own process, which outlives its control plane. */
export interface OutsideDataPlane {
  /** `pod.namespace`, as `limen proxy-status` names it. */
  readonly name: string;
  /** Where its listener 8080 is reached. */
  readonly address: { readonly host: string; readonly port: number };
  readonly process: ChildProcess;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

export interface OutsideOptions {
  kind: Kind;
  /** The pod's name; two with one name are one node. */
  pod: string;
  /** `host:port` of the control plane. */
  xds: string;
  /** A folder for its files. */
  directory: string;
}

/** Starts a data plane and waits until its listener 8080 accepts connections. */
export async function startOutside(options: OutsideOptions): Promise<OutsideDataPlane> {
  const child = options.kind === 'envoy' ? await startEnvoy(options) : await startLimen(options);
  const kill = async () => {
    if (child.process.exitCode !== null || child.process.signalCode !== null) return;
    const exited = once(child.process, 'exit');
    child.process.kill('SIGKILL');
    await exited;
  };
  try {
    while (!(await accepts(child.address))) {
      if (child.process.exitCode !== null) throw new Error(`the ${options.kind} outside ended: ${child.said()}`);
      await delay(20);
    }
  } catch (error) {
    await kill();
    throw error;
  }
  return { name: `${options.pod}.istio-system`, address: child.address, process: child.process, kill };
}

/** The address of an instance's xDS server: `host:port`. */
export function xdsOf({ home }: Limen): string {
  return (JSON.parse(readFileSync(join(home, 'instance.json'), 'utf8')) as Instance).xds;
}

interface Started {
  process: ChildProcess;
  address: OutsideDataPlane['address'];
  said: () => string;
}

const nodeId = (pod: string, ip: string) => `router~${ip}~${pod}.istio-system~istio-system.svc.cluster.local`;

async function startLimen({ pod, xds }: OutsideOptions): Promise<Started> {
  // Those of the default gateway's Service, which leads its port 80 to 8080.
  const labels = ['--label', 'app=istio-ingressgateway', '--label', 'istio=ingressgateway'];
  const node = ['--node-id', nodeId(pod, '127.0.0.1'), ...labels];
  const flags = ['--xds', xds, ...node, '--publish', '0:8080', '--admin-address', '127.0.0.1:0', '--log-level', 'warn'];
  const child = fork(PROGRAM, ['proxy', ...flags], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const said = collect(child);
  const [message] = (await once(child, 'message')) as [{ published: { host: string; port: number }[] }];
  const [published] = message.published;
  if (published === undefined) throw new Error(`limen proxy published nothing: ${said()}`);
  return { process: child, address: published, said };
}

async function startEnvoy({ pod, xds, directory }: OutsideOptions): Promise<Started> {
  // An address of its own, since Envoy binds the ports that listeners say.
  const host = `127.${octet()}.${octet()}.${octet()}`;
  const { stdout, stderr } = await run(process.execPath, [
    ...[PROGRAM, 'bootstrap', '--xds', xds, '--address', host, '--admin-address', `${host}:15000`],
    ...['--node-id', nodeId(pod, host)],
  ]);
  if (stdout === '') throw new Error(`limen bootstrap: ${stderr}`);
  const file = join(directory, `${pod}.json`);
  writeFileSync(file, stdout);
  const flags = ['-c', file, '--use-dynamic-base-id', '--concurrency', '1', '-l', 'error'];
  const child = spawn('envoy', flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  return { process: child, address: { host, port: 8080 }, said: collect(child) };
}

/** 2 to 254, at random. */
const octet = () => 2 + Math.floor(Math.random() * 253);

/** The standard error of a process so far. */
function collect(child: ChildProcess): () => string {
  let said = '';
  child.stderr?.on('data', (chunk) => {
    said += String(chunk);
  });
  return () => said;
}

/** Whether somebody listens there. */
export function accepts({ host, port }: OutsideDataPlane['address']): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
