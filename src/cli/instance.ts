// How a second terminal finds the running instance: `instance.json` in Limen's home, and the lock that keeps one home to one instance.

import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** A port of this machine that leads to a port of the gateway's Service. */
export interface InstancePort {
  address: string;
  port: number;
  servicePort: number;
  portName: string;
  /** It stands for the node port of that Service port. */
  isNodePort?: true;
}

/** A data plane of the instance. */
export interface InstanceProxy {
  /** The Deployment's name: `istio-ingressgateway`. */
  workload: string;
  namespace: string;
  pod: string;
  nodeId: string;
  ip: string;
  /** `host:port` of its admin interface. */
  admin: string;
  published: InstancePort[];
}

/** What `limen up` tells other commands about itself. */
export interface Instance {
  pid: number;
  /** ISO 8601. */
  startedAt: string;
  /** Limen's version. */
  version: string;
  /** `host:port` of the xDS server. */
  xds: string;
  /** `host:port` of the control plane's debug interface. */
  debug?: string;
  proxies: InstanceProxy[];
}

/** Nothing runs with this home. */
export class NotRunningError extends Error {
  override name = 'NotRunningError';

  constructor(home: string) {
    super(`no Limen is running in ${home}: start one with "limen up"`);
  }
}

const INSTANCE_FILE = 'instance.json';
const LOCK_FILE = 'up.pid';

/**
 * Limen's home: the `--home` flag, else `$LIMEN_HOME`, else `~/.limen`. Always absolute.
 * @param env the environment of the process
 * @param flag the value of `--home`, where given
 */
export function limenHome(env: Readonly<Record<string, string | undefined>>, flag?: string): string {
  const chosen = flag || env.LIMEN_HOME; // an empty one counts as not given
  return chosen ? resolve(chosen) : join(env.HOME || homedir(), '.limen');
}

/** Says in `home` what runs. A reader sees the old file or the new one, never a part. Only the owner may read it. */
export function writeInstance(home: string, instance: Instance): void {
  makeDirectory(home);
  const file = join(home, INSTANCE_FILE);
  const unfinished = `${file}.${process.pid}.tmp`;
  rmSync(unfinished, { force: true }); // one left by a crash may have other permissions
  try {
    writeFileSync(unfinished, `${JSON.stringify(instance, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
}

/**
 * What runs with this home.
 * @throws NotRunningError where nothing runs (a file left by a process that is gone counts as nothing); Error where the file is not Limen's
 */
export function readInstance(home: string): Instance {
  const file = join(home, INSTANCE_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new NotRunningError(home);
    throw new Error(`${file} can't be read: ${(error as Error).message}`);
  }
  const instance = parseInstance(text, file);
  const lock = lockIn(join(home, LOCK_FILE));
  if (!isRunning(lock?.pid === instance.pid ? lock : { pid: instance.pid, start: undefined }))
    throw new NotRunningError(home);
  return instance;
}

/** Takes the statement back; nothing happens where there is none. */
export function removeInstance(home: string): void {
  rmSync(join(home, INSTANCE_FILE), { force: true });
}

/**
 * Makes this process the only one that serves from `home`, until the returned function is called. The lock of a process that is gone is
 * taken over.
 * @returns gives the home free again; calling it twice does no harm
 * @throws Error for the user that names the process which holds the home, or says why nothing can be written there
 */
export function acquireHome(home: string): () => void {
  const file = join(home, LOCK_FILE);
  // Written aside and linked into place: link() fails where the name exists (as O_EXCL does), and nobody ever reads a lock without its pid.
  const own = `${file}.${process.pid}`;
  try {
    makeDirectory(home);
    writeFileSync(own, `${process.pid} ${startOf(process.pid) ?? ''}\n`, { mode: 0o600 });
  } catch (error) {
    throw new Error(`the home ${home} can't be written to: ${reasonOf(error)}; choose another one (--home DIR)`);
  }
  try {
    if (!tryLink(own, file)) {
      const holder = lockIn(file);
      if (holder !== undefined && isRunning(holder)) throw heldBy(home, holder.pid);
      takeOver(own, file, home, holder);
    }
    return () => releaseLock(file);
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * Replaces a stale lock. Of several processes that find the same one, the first to make the marker does; whoever makes it later looks
 * again, and sees the new lock there.
 */
function takeOver(own: string, file: string, home: string, stale: Lock | undefined): void {
  const marker = `${file}.stale`;
  if (!tryLink(own, marker)) {
    const other = lockIn(marker);
    if (other === undefined || isRunning(other)) throw heldBy(home, other?.pid);
    throw new Error(`a start of Limen was cut short in ${home}: remove ${marker} and start again`);
  }
  try {
    const now = lockIn(file);
    if (now?.pid !== stale?.pid || now?.start !== stale?.start) throw heldBy(home, now?.pid);
    renameSync(own, file);
  } finally {
    rmSync(marker, { force: true });
  }
}

/**
 * Makes a directory and those above it, for the owner alone. Not mkdir's own `recursive`: on a read-only file system it says that there is no such
 * file, and below /proc it never ends.
 */
function makeDirectory(path: string): void {
  const make = () => mkdirSync(path, { mode: 0o700 });
  try {
    make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path));
    make();
  }
}

/** A second name for a file; false where the name is taken. */
function tryLink(file: string, name: string): boolean {
  try {
    linkSync(file, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function heldBy(home: string, pid: number | undefined): Error {
  const who = pid === undefined ? 'another process' : `process ${pid}`;
  const stop = pid === undefined ? 'stop that one' : `stop that one (kill ${pid})`;
  return new Error(`Limen already runs in ${home}: ${who}; ${stop}, or use another home (--home DIR)`);
}

/** `read-only file system`, of Node's `EROFS: read-only file system, open '…'`. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST' || code === 'ENOTDIR') return 'there is a file of that name';
  return /^[A-Z]+: ([^,]+),/.exec(message)?.[1] ?? message;
}

function releaseLock(file: string): void {
  if (lockIn(file)?.pid !== process.pid) return; // not ours any more
  try {
    unlinkSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

interface Lock {
  pid: number;
  /** See startOf. */
  start: string | undefined;
}

function lockIn(file: string): Lock | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const [pid = '', start] = text.trim().split(' ');
  return /^[1-9]\d*$/.test(pid) ? { pid: Number(pid), start } : undefined;
}

/** Whether the process that wrote a lock still exists, and is not a later one with the same number. */
function isRunning({ pid, start }: Lock): boolean {
  return isAlive(pid) && (start === undefined || start === startOf(pid));
}

/** Whether a process exists. One of another user (EPERM) does. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * When a process started, in clock ticks since boot: with the pid it names one process, where the pid alone may come back after a crash.
 * The 22nd field of /proc/PID/stat (proc(5)), counted behind the command name, which may hold spaces. Undefined where there is no /proc.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function parseInstance(text: string, file: string): Instance {
  let value: Partial<Instance> | null;
  try {
    value = JSON.parse(text) as Partial<Instance> | null;
  } catch (error) {
    throw new Error(
      `${file} is not what "limen up" writes (${(error as Error).message}): remove it and start Limen anew`,
    );
  }
  const fits = typeof value?.pid === 'number' && value.pid > 0 && Array.isArray(value.proxies);
  if (!fits) throw new Error(`${file} is not what "limen up" writes: remove it and start Limen anew`);
  return value as Instance;
}
