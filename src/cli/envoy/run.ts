// One Envoy as the data plane: given its bootstrap, started, waited for, drained; its log becomes ours. It never outlives this process's work:
// when the supervisor is gone it is ended too.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { BIND_METADATA, type Bind, bindMetadata } from '../../controlplane/bind.ts';
import {
  isOwnPort,
  PROMETHEUS_PORT,
  PublishedEndpoints,
  STATUS_PORT,
} from '../../dataplane/admin/published-endpoints.ts';
import type { Publish } from '../../dataplane/config/bind-rules.ts';
import { explainBindError } from '../../dataplane/config/endpoint.ts';
import { parseHostPort } from '../host-port.ts';
import { createLog } from '../log.ts';
import { type ProxyFlags, publishOf } from '../proxy.ts';
import { proxyNode } from '../proxy-node.ts';
import { type DataPlaneMessage, followPublish } from '../up/messages.ts';
import { signalsOf } from '../up/signals.ts';
import { EnvoyAdmin } from './admin.ts';
import { envoyBootstrap } from './bootstrap.ts';
import { canOpenStdout, createFifo } from './fifo.ts';
import { bootstrapFileIn, forgetEnvoy, recordEnvoy } from './leftover.ts';
import { lineSplitter } from './lines.ts';
import { logFlags, logLine, parseLogLine } from './log-lines.ts';
import { whyNotBindable } from './ports.ts';

/** The flags of a data plane that is an Envoy. */
export interface EnvoyFlags extends ProxyFlags {
  envoy: {
    /** The program. */
    path: string;
    /** A folder of its own, for the bootstrap. */
    directory: string;
  };
}

/** How long connections of a listener that is replaced may go on: the drain time of Istio's gateways. */
const UPDATE_DRAIN_SECONDS = 45;
/** An access log is something to watch: lines are written after this time, where Envoy alone waits 10 s, and Istio 1 s. */
const ACCESS_LOG_FLUSH_MS = 100;
/** From SIGTERM to SIGKILL. */
const TERMINATE_MS = 2_000;

/**
 * Runs Envoy until a signal, or the end of the parent that started this process.
 * @returns the exit code: 0 after a signal or the parent's end, 1 when Envoy ended by itself
 * @throws Error with a message for the user when it can't start; the parent has been told then
 */
export async function runEnvoy(flags: EnvoyFlags, process: NodeJS.Process): Promise<number> {
  const signals = signalsOf(process);
  const log = createLog({
    level: flags.logLevel,
    format: flags.logFormat,
    color: process.stderr.isTTY === true && !process.env.NO_COLOR,
    write: (line) => void process.stderr.write(line),
  });
  const orphaned = Promise.withResolvers<'orphaned'>();
  const onDisconnect = () => orphaned.resolve('orphaned');
  process.once('disconnect', onDisconnect);
  const report = (message: DataPlaneMessage) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {});
  };
  try {
    const publish = publishOf(flags);
    const bind = await bindOf(flags, publish, log);
    const admin = parseHostPort(flags.adminAddress, '--admin-address');
    const taken = await whyNotBindable(admin.host, admin.port);
    if (taken !== undefined) throw new Error(explainBindError(admin, taken, 'publish on'));
    const envoy = startEnvoy(flags, bind, log, process);
    const interface_ = new EnvoyAdmin(admin);
    const own = new PublishedEndpoints({ ready: () => interface_.isLive(), metrics: () => interface_.metrics() }, log);
    /** All but these are listeners, which the control plane tells Envoy of. */
    const publishOwn = async (ports: readonly Publish[]) => {
      await own
        .follow(ports.filter(isOwnPort))
        .catch((error: Error) => log.error({ reason: error.message }, 'published port is not served'));
    };
    let unfollow = () => {};
    const killNow = () => envoy.child.kill('SIGKILL');
    process.once('exit', killNow); // whatever ends this process
    try {
      signals.onSecond(() => process.exit(1));
      const starting = new AbortController();
      const end = Promise.race([signals.first, orphaned.promise, envoy.ended]);
      const readyFirst = await Promise.race([
        interface_.ready(starting.signal).then(() => true),
        end.then(() => false),
      ]).finally(() => starting.abort());
      if (readyFirst) {
        await publishOwn(publish);
        unfollow = followPublish(process, publishOwn, report);
        const published = publish.map(({ host, hostPort, listenerPort }) => ({ host, port: hostPort, listenerPort }));
        log.info(
          { admin: flags.adminAddress, published: published.map((at) => `${at.host}:${at.port}:${at.listenerPort}`) },
          'ready',
        );
        report({ type: 'ready', admin: flags.adminAddress, published });
      }
      const ended = await end;
      if (typeof ended === 'object') {
        if (!readyFirst) throw new Error(`envoy ended before it was ready (${ended.how})${ended.lastError}`);
        log.error({ how: ended.how }, 'envoy ended');
        return 1;
      }
      log.info({ drainSeconds: flags.drainTime }, 'draining');
      if (readyFirst) await Promise.race([interface_.drain(flags.drainTime * 1000), envoy.ended]);
      log.level = 'error'; // that its streams end now is no news
      envoy.child.kill('SIGTERM');
      await Promise.race([envoy.ended, delay(TERMINATE_MS, undefined, { ref: false })]);
      envoy.child.kill('SIGKILL');
      await envoy.ended;
      return 0;
    } finally {
      process.off('exit', killNow);
      killNow();
      unfollow();
      await own.close();
      rmSync(envoy.bootstrapFile, { force: true });
      forgetEnvoy(flags.envoy.directory);
      rmSync(flags.envoy.directory, { recursive: true, force: true });
    }
  } catch (error) {
    report({ type: 'fatal', message: (error as Error).message });
    throw error;
  } finally {
    signals.close();
    process.off('disconnect', onDisconnect);
    if (process.connected) process.disconnect?.();
  }
}

/** What holds of its addresses as long as it runs. */
type EnvoyBind = Omit<Bind, 'publish'>;

/** Where listeners are bound. Pods' ports that another process holds on this machine are left to it; the published ports serve then. */
async function bindOf(
  { address, reusePort = false }: EnvoyFlags,
  publish: readonly Publish[],
  log: Logger,
): Promise<EnvoyBind | undefined> {
  if (address === undefined) return undefined;
  const taken: number[] = [];
  // The two listeners of the bootstrap must not be the reason why nothing starts.
  for (const port of new Set([...publish.map(({ listenerPort }) => listenerPort), STATUS_PORT, PROMETHEUS_PORT])) {
    const code = await whyNotBindable(address, port);
    if (code === undefined) continue;
    taken.push(port);
    log.warn(
      { reason: explainBindError({ host: address, port }, code, 'publish on') },
      'listener is served on published ports only',
    );
  }
  return { address, taken, reusePort };
}

/** How Envoy came to its end. */
interface Ended {
  readonly how: string;
  /** `: ` and the last error it logged, or ''. */
  readonly lastError: string;
}

interface RunningEnvoy {
  readonly child: ChildProcess;
  readonly bootstrapFile: string;
  readonly ended: Promise<Ended>;
}

function startEnvoy(
  flags: EnvoyFlags,
  bind: EnvoyBind | undefined,
  log: Logger,
  process: NodeJS.Process,
): RunningEnvoy {
  const { path, directory } = flags.envoy;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const bootstrapFile = bootstrapFileIn(directory);
  const bootstrap = envoyBootstrap({
    node: proxyNode(flags, bind === undefined ? {} : { [BIND_METADATA]: bindMetadata(bind) }),
    xds: parseHostPort(flags.xds, '--xds'),
    admin: parseHostPort(flags.adminAddress, '--admin-address'),
    bind,
  });
  rmSync(bootstrapFile, { force: true }); // one of a crash may have other permissions
  writeFileSync(bootstrapFile, `${JSON.stringify(bootstrap, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });

  const errors = createFifo(directory, 'stderr');
  const output = canOpenStdout() ? undefined : createFifo(directory, 'stdout');
  const child = spawn(
    path,
    [
      ...['--config-path', bootstrapFile, '--concurrency', String(flags.workers)],
      // Like Istio's: one Envoy does not hand over to the next, so it needs no shared memory and no base id.
      '--disable-hot-restart',
      ...['--drain-time-s', String(UPDATE_DRAIN_SECONDS), '--drain-strategy', 'immediate'],
      ...['--file-flush-interval-msec', String(ACCESS_LOG_FLUSH_MS)],
      ...logFlags(flags.logLevel),
    ],
    // In the process group of this process, which the supervisor ends should this process be killed.
    { stdio: ['ignore', output?.fd ?? 'inherit', errors.fd] },
  );
  if (child.pid !== undefined) recordEnvoy(directory, child.pid);
  errors.handOver();
  output?.handOver();
  if (output !== undefined) {
    process.stdout.on('error', () => output.output.resume()); // nobody reads any more: Envoy must not be held up
    output.output.pipe(process.stdout, { end: false });
  }
  let lastError = '';
  const lines = lineSplitter((line) => {
    const parsed = parseLogLine(line);
    if (parsed === undefined || parsed.level === 'error' || parsed.level === 'fatal')
      lastError = `: ${parsed?.message ?? line}`;
    logLine(line, log, (text) => void process.stderr.write(text));
  });
  errors.output.on('data', (chunk: Buffer) => lines.push(chunk));
  const saidAll = new Promise<void>((resolve) => errors.output.on('close', () => resolve()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('error', (error) => resolve({ how: error.message, lastError: '' }));
    child.on('exit', async (code, signal) => {
      await saidAll;
      lines.end();
      resolve({ how: signal ?? `exit code ${code}`, lastError });
    });
  });
  return { child, bootstrapFile, ended };
}
