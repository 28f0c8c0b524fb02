// `limen proxy`: a data plane alone, in the foreground. Started by `limen up` it reports over IPC, and ends with its parent.

import type { Logger } from 'pino';
import type { Publish } from '../dataplane/config/bind-rules.ts';
import { type ProxyOptions, type RunningProxy, startProxy } from '../dataplane/proxy.ts';
import { parseHostPort } from './host-port.ts';
import { createLog, type LogFormat, type LogLevel } from './log.ts';
import { proxyNode } from './proxy-node.ts';
import { type DataPlaneMessage, followPublish } from './up/messages.ts';
import { parsePublish } from './up/publish.ts';
import { signalsOf } from './up/signals.ts';
import { VERSION } from './version.ts';
import { type ClientTlsFlags, readClientTls } from './xds-tls-files.ts';

/** The flags of `limen proxy`, as commander names them. */
export interface ProxyFlags extends ClientTlsFlags {
  /** `host:port` */
  xds: string;
  nodeId: string;
  label?: string[];
  serviceAccount?: string;
  metadata?: string[];
  /** `unix:PATH` or `host:port` of a server of secrets. */
  sds?: string;
  workers: number;
  address?: string;
  publish?: string[];
  /** Whether other pods of the same Service bind the published ports beside this one (SO_REUSEPORT). */
  reusePort?: boolean;
  adminAddress: string;
  drainTime: number;
  logLevel: LogLevel;
  logFormat: LogFormat;
}

/**
 * Runs until a signal, or the end of the parent that started it with IPC.
 * @returns the exit code: 0 after SIGINT, SIGTERM, `POST /quitquitquit` or the parent's end
 * @throws Error with a message for the user when it can't start (a port is taken); a parent has been told then
 */
export async function runProxy(flags: ProxyFlags, process: NodeJS.Process): Promise<number> {
  const signals = signalsOf(process);
  const orphaned = Promise.withResolvers<undefined>();
  const onDisconnect = () => orphaned.resolve(undefined);
  process.once('disconnect', onDisconnect);
  const report = (message: DataPlaneMessage) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a parent that is gone: 'disconnect' says so
  };
  let unfollow = () => {};
  try {
    const options = proxyOptions(flags, process);
    const { log, admin } = options;
    const proxy = await startProxy(options);
    signals.onSecond(() => process.exit(1));
    unfollow = followPublish(process, proxy.publish, report);
    const end = Promise.race([signals.first, orphaned.promise, proxy.closed]);
    const readyFirst = await Promise.race([proxy.ready.then(() => true), end.then(() => false)]);
    if (readyFirst) {
      announce(proxy, admin.host, log, report);
      await end;
    }
    log.info({ drainSeconds: flags.drainTime }, 'draining');
    await proxy.drain();
    return 0;
  } catch (error) {
    report({ type: 'fatal', message: (error as Error).message });
    throw error;
  } finally {
    signals.close();
    unfollow();
    process.off('disconnect', onDisconnect);
    if (process.connected) process.disconnect?.(); // else the channel keeps the process
  }
}

/**
 * What a data plane is started with.
 * @throws Error with a message for the user: a flag is not what it should be
 */
export function proxyOptions(flags: ProxyFlags, process: Pick<NodeJS.Process, 'stderr' | 'env'>): ProxyOptions {
  const admin = parseHostPort(flags.adminAddress, '--admin-address');
  parseHostPort(flags.xds, '--xds');
  if (flags.sds !== undefined && !flags.sds.startsWith('unix:')) parseHostPort(flags.sds, '--sds');
  const xdsTls = readClientTls(flags);
  return {
    xds: flags.xds,
    ...(xdsTls === undefined ? {} : { xdsTls }),
    node: {
      ...proxyNode(flags),
      userAgentName: 'limen',
      userAgentVersionType: { case: 'userAgentVersion', value: VERSION },
    },
    ...(flags.sds === undefined ? {} : { secretServers: { 'sds-grpc': flags.sds } }),
    workers: flags.workers,
    bind: { address: flags.address, publish: publishOf(flags) },
    admin,
    drainSeconds: flags.drainTime,
    version: VERSION,
    log: createLog({
      level: flags.logLevel,
      format: flags.logFormat,
      color: process.stderr.isTTY === true && !process.env.NO_COLOR,
      write: (line) => void process.stderr.write(line),
    }),
  };
}

function announce(
  proxy: RunningProxy,
  adminHost: string,
  log: Logger,
  report: (message: DataPlaneMessage) => void,
): void {
  const admin = `${adminHost.includes(':') ? `[${adminHost}]` : adminHost}:${proxy.adminPort}`;
  const published = proxy.published.map(({ host, hostPort, listenerPort }) => ({ host, port: hostPort, listenerPort }));
  log.info(
    { admin, published: published.map(({ host, port, listenerPort }) => `${host}:${port}:${listenerPort}`) },
    'ready',
  );
  report({ type: 'ready', admin, published });
}

/**
 * The published ports of flags.
 * @throws Error for one that is none
 */
export function publishOf({ publish = [], reusePort = false }: Pick<ProxyFlags, 'publish' | 'reusePort'>): Publish[] {
  return publish.map((text) => {
    const { address: host, hostPort, servicePort: listenerPort } = parsePublish(text);
    return { host, hostPort, listenerPort, ...(reusePort ? { reusePort } : {}) };
  });
}
