// `limen up`: the supervisor. Holds store, control plane, xDS server and workloads; each gateway's data plane is a child process.

import { join } from 'node:path';
import { type FileSource, watchFiles } from '../../sources/files.ts';
import { createAddressPool } from '../../workloads/addresses.ts';
import { followOperators } from '../../workloads/install/follow.ts';
import { commandRuntime } from '../../workloads/runtimes/command-runtime.ts';
import { dockerRuntime } from '../../workloads/runtimes/docker-runtime.ts';
import { sampleRuntime } from '../../workloads/samples/sample-runtime.ts';
import { runWorkloads } from '../../workloads/workloads.ts';
import { endLeftoverEnvoys } from '../envoy/leftover.ts';
import { acquireHome, limenHome, removeInstance } from '../instance.ts';
import { createLog, type LogFormat, type LogLevel } from '../log.ts';
import { VERSION } from '../version.ts';
import { formatBanner } from './banner.ts';
import { startControlPlane } from './control-plane.ts';
import type { DataPlaneKind } from './data-planes.ts';
import { startDebugServer } from './debug-server.ts';
import { type DataPlanes, prepareGateways } from './gateways/start.ts';
import { instanceProxies, publishedGateways, tellPorts } from './gateways/tell.ts';
import { imageCommands } from './image-commands.ts';
import { instanceFile } from './instance-file.ts';
import { reportOn } from './report.ts';
import { startSidecars } from './sidecars/start.ts';
import { signalsOf } from './signals.ts';
import { openHomeStore } from './store-file.ts';
import { triesOf } from './tries.ts';
import { listenForXds, type XdsPortFlags } from './xds-ports.ts';

/** The flags of `limen up`, as commander names them. */
export interface UpOptions extends XdsPortFlags {
  filename?: string[];
  publish?: string[];
  /** `NAME=COMMAND` each. */
  image?: string[];
  home?: string;
  /** 0: any free one. */
  apiPort?: number;
  workers: number;
  drainTime: number;
  dataPlane: DataPlaneKind;
  envoyPath?: string;
  logLevel: LogLevel;
  logFormat: LogFormat;
}

/** What carries traffic: of gateways, and of pods. */
export interface Programs extends DataPlanes {
  /** The module of the process that pods' proxies are in. */
  readonly sidecarsProgram: string;
}

/**
 * Runs until a signal ends it.
 * @returns the exit code: 0 after SIGINT or SIGTERM
 * @throws Error with a message for the user when it can't start (a port is taken, the home is in use)
 */
export async function serve(
  options: UpOptions,
  { sidecarsProgram, ...dataPlanes }: Programs,
  process: NodeJS.Process,
): Promise<number> {
  const signals = signalsOf(process);
  const log = createLog({
    level: options.logLevel,
    format: options.logFormat,
    color: hasColor(process.stderr, process),
    write: (line) => void process.stderr.write(line),
  });
  const commands = imageCommands(options.image ?? [], process.cwd(), log);
  const home = limenHome(process.env, options.home);
  const releaseHome = acquireHome(home);
  /** Undone in reverse order, whatever happens. */
  const undo: (() => Promise<void> | void)[] = [releaseHome];
  try {
    const envoyDirectory = join(home, 'envoy');
    for (const pid of await endLeftoverEnvoys(envoyDirectory))
      log.warn({ pid }, 'ended the Envoy that a killed run left behind');
    const store = openHomeStore(home, log);
    undo.push(() => store.close());
    let sources: FileSource | undefined;
    const report = reportOn(store, () => sources, log);
    undo.push(() => report.close());
    const controlPlane = startControlPlane(store, log, report);
    undo.push(() => controlPlane.close());

    const debug = await startDebugServer(controlPlane.server, log);
    undo.push(() => debug.close());

    const addresses = await createAddressPool(home);
    undo.push(() => addresses.close());

    const watched = await watchFiles(options.filename ?? [], store, { log });
    sources = watched;
    undo.push(() => watched.close());
    undo.push(followOperators(store, log)); // after the files: what they say of the gateway counts

    const sidecars = startSidecars(options, {
      ...{ program: sidecarsProgram, store, log },
      xds: () => xds,
      onChange: () => tellOthers(),
    });
    undo.push(() => sidecars.close());
    const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
    // Now that the objects are there: a proxy that comes back to this port must not be told that there is nothing.
    const xds = await listenForXds(controlPlane.server, options, home, log);
    const gateways = await prepareGateways(options, {
      ...dataPlanes,
      ...{ store, xds, envoyDirectory, log },
      publish: controlPlane.publish,
      onChange: () => tellOthers(),
    });
    const { runtime } = gateways;
    const logPorts = tellPorts(log);
    const instance = instanceFile(home, log);
    let isReady = false;
    const tellOthers = () => {
      const gatewayProxies = instanceProxies(runtime.proxies);
      const proxies = [...gatewayProxies, ...sidecars.proxies];
      instance.tell({ pid: process.pid, startedAt, version: VERSION, xds, debug: debug.address, proxies });
      if (isReady) logPorts(gatewayProxies); // before, the banner says it
    };
    // After what ends gateways and pods: each that goes is told once more.
    undo.push(
      () => removeInstance(home),
      () => instance.close(),
    );
    const workloads = runWorkloads(store, {
      log,
      runtimes: [
        commandRuntime(commands, process.env), // first: a command for a sample's image takes its place
        runtime,
        sampleRuntime(),
        dockerRuntime('docker', process.env),
      ],
      allocateIp: () => addresses.allocate(),
      startProxy: (pod, ip, changed) => sidecars.start(pod, ip, changed),
    });
    undo.push(
      () => workloads.close(),
      () => gateways.close(), // first: requests under way need what answers them
    );
    // While the gateways' processes start, which takes longer.
    const { serveApi } = await import('./api-server.ts');
    const port = options.apiPort === undefined ? {} : { port: options.apiPort };
    const api = await serveApi({ home, store, log, podAccess: workloads.access, ...port });
    undo.push(() => api.close());
    const ready = await Promise.race([workloads.settled().then(() => true), runtime.failed, signals.first]);
    if (ready) {
      isReady = true;
      tellOthers();
      process.stdout.write(
        formatBanner(
          {
            version: VERSION,
            gateways: publishedGateways(runtime.proxies, controlPlane.listenerPorts),
            tries: triesOf(store.snapshot),
            kubeconfig: api.kubeconfig,
            userHome: process.env.HOME ?? '',
            objects: watched.objects.length,
            readyMs: process.uptime() * 1000,
          },
          hasColor(process.stdout, process),
        ),
      );
      await signals.first;
    }
    log.info('draining; once more to end at once');
    signals.onSecond(() => {
      runtime.kill();
      removeInstance(home);
      releaseHome();
      process.exit(1);
    });
    return 0;
  } finally {
    for (const step of undo.reverse()) await step();
    signals.close();
  }
}

function hasColor(stream: NodeJS.WriteStream, { env }: NodeJS.Process): boolean {
  return stream.isTTY === true && !env.NO_COLOR;
}
