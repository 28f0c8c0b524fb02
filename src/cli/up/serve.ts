// `limen up`: the supervisor. Holds store, control plane, xDS server and sample workloads; the gateway's data plane is a child process.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '../../resources/types.ts';
import { type FileSource, watchFiles } from '../../sources/files.ts';
import { Store } from '../../store/store.ts';
import { createAddressPool } from '../../workloads/addresses.ts';
import { ingressGatewayObjects } from '../../workloads/ingress-gateway.ts';
import { commandRuntime } from '../../workloads/runtimes/command-runtime.ts';
import { dockerRuntime } from '../../workloads/runtimes/docker-runtime.ts';
import { sampleRuntime } from '../../workloads/samples/sample-runtime.ts';
import { runWorkloads } from '../../workloads/workloads.ts';
import { endLeftoverEnvoy } from '../envoy/leftover.ts';
import { isReserved, whyNotBindable } from '../envoy/ports.ts';
import type { EnvoyProgram } from '../envoy/program.ts';
import { acquireHome, limenHome, removeInstance, writeInstance } from '../instance.ts';
import { createLog, type LogFormat, type LogLevel } from '../log.ts';
import { VERSION } from '../version.ts';
import { formatBanner } from './banner.ts';
import { startControlPlane } from './control-plane.ts';
import type { DataPlaneKind } from './data-planes.ts';
import { startDebugServer } from './debug-server.ts';
import { imageCommands } from './image-commands.ts';
import type { DataPlaneReady } from './messages.ts';
import { choosePorts, type PublishedPort, parsePublish, type ServicePort } from './publish.ts';
import { reportOn } from './report.ts';
import { signalsOf } from './signals.ts';
import type { DataPlane } from './supervise.ts';
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

/** What carries the gateway's traffic. */
export interface GatewayProcess {
  /** Loaded or loading, with nothing to serve yet. */
  dataPlane: DataPlane;
  /** The program, where the data plane is an Envoy. */
  envoy: EnvoyProgram | undefined;
}

/**
 * Runs until a signal ends it.
 * @returns the exit code: 0 after SIGINT or SIGTERM
 * @throws Error with a message for the user when it can't start (a port is taken, the home is in use)
 */
export async function serve(
  options: UpOptions,
  { dataPlane, envoy }: GatewayProcess,
  process: NodeJS.Process,
): Promise<number> {
  const signals = signalsOf(process);
  const color = process.stderr.isTTY === true && !process.env.NO_COLOR;
  const log = createLog({
    level: options.logLevel,
    format: options.logFormat,
    color,
    write: (line) => void process.stderr.write(line),
  });
  const commands = imageCommands(options.image ?? [], process.cwd(), log);
  const home = limenHome(process.env, options.home);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const releaseHome = acquireHome(home);
  /** Undone in reverse order, whatever happens. */
  const undo: (() => Promise<void> | void)[] = [releaseHome];
  const envoyDirectory = join(home, 'envoy');
  try {
    const leftover = await endLeftoverEnvoy(envoyDirectory);
    if (leftover !== undefined) log.warn({ pid: leftover }, 'ended the Envoy that a killed run left behind');
    const store = new Store();
    let sources: FileSource | undefined;
    const report = reportOn(store, () => sources, log);
    undo.push(() => report.close());
    const controlPlane = startControlPlane(store, log, report);
    undo.push(() => controlPlane.close());

    const debug = await startDebugServer(controlPlane.server, log);
    undo.push(() => debug.close());

    const addresses = await createAddressPool(home);
    undo.push(() => addresses.close());
    const podIP = await addresses.allocate();
    const gateway = ingressGatewayObjects(podIP);

    const watched = await watchFiles(options.filename ?? [], store, { log });
    sources = watched;
    undo.push(() => watched.close());
    store.apply('built-in', gateway); // after the files: what they say of the gateway counts
    const objects = store.snapshot.size; // what controllers add to it is not the user's
    const workloads = runWorkloads(store, {
      log,
      runtimes: [
        commandRuntime(commands, process.env), // first: a command for a sample's image takes its place
        sampleRuntime({ resolve: controlPlane.resolve }),
        dockerRuntime('docker', process.env),
      ],
      allocateIp: () => addresses.allocate(),
    });
    undo.push(() => workloads.close());

    const serveKubernetesApi = async () => {
      const { serveApi } = await import('./api-server.ts');
      const port = options.apiPort === undefined ? {} : { port: options.apiPort };
      const api = await serveApi({ home, store, log, ...port });
      undo.push(() => api.close());
      return api;
    };

    const [, , service, deployment, pod] = gateway;
    const published = await choosePorts(
      { name: `${service.metadata.namespace}/${service.metadata.name}`, ports: servicePorts(store, service) },
      (options.publish ?? []).map(parsePublish),
      probePort,
    );
    const nodeId = `router~${podIP}~${pod.metadata.name}.${pod.metadata.namespace}~${pod.metadata.namespace}.svc.cluster.local`;
    const startedAt = new Date(Date.now() - process.uptime() * 1000).toISOString();
    undo.push(
      () => removeInstance(home),
      () => dataPlane.drain(),
    );
    // Now that the objects are there: a proxy that comes back to this port must not be told that there is nothing.
    const xds = await listenForXds(controlPlane.server, options, home, log);
    const serving = dataPlane.serve({
      name: pod.metadata.name,
      log,
      flags: (previous) => ({
        xds,
        nodeId,
        label: Object.entries(pod.metadata.labels ?? {}).map(([key, value]) => `${key}=${value}`),
        workers: options.workers,
        address: podIP,
        adminAddress: `${podIP}:15000`,
        publish: published.map((port) => publishArg(port, previous)),
        drainTime: options.drainTime,
        logLevel: options.logLevel,
        logFormat: options.logFormat,
        ...(envoy === undefined ? {} : { envoy: { path: envoy.path, directory: envoyDirectory } }),
      }),
      onReady(ready) {
        writeInstance(home, {
          pid: process.pid,
          startedAt,
          version: VERSION,
          xds,
          debug: debug.address,
          proxies: [
            {
              workload: deployment.metadata.name,
              namespace: pod.metadata.namespace ?? '',
              pod: pod.metadata.name,
              nodeId,
              ip: podIP,
              admin: ready.admin,
              published: withChosenPorts(published, ready).map((port) => ({
                address: port.address,
                port: port.hostPort,
                servicePort: port.port,
                portName: port.name,
              })),
            },
          ],
        });
      },
    });
    // While the data plane's process starts, which takes longer.
    const api = await serveKubernetesApi();
    const ready = await Promise.race([serving, signals.first]);
    if (ready !== undefined) {
      await workloads.settled();
      const chosen = withChosenPorts(published, ready);
      const listening = new Set(
        [...controlPlane.listenerPorts(nodeId), 15021], // 15021 is the proxy's own
      );
      process.stdout.write(
        formatBanner(
          {
            version: VERSION,
            gateway: `${deployment.metadata.name}.${deployment.metadata.namespace}`,
            published: chosen.map((port) => ({ ...port, open: listening.has(port.targetPort) })),
            tries: triesOf(store.snapshot),
            kubeconfig: api.kubeconfig,
            objects,
            readyMs: process.uptime() * 1000,
          },
          process.stdout.isTTY === true && !process.env.NO_COLOR,
        ),
      );
      await signals.first;
    }
    log.info('draining; once more to end at once');
    signals.onSecond(() => {
      dataPlane.kill();
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

/** The ports of the gateway's Service as the store has it now (a file may have replaced the built-in one). */
function servicePorts(store: Store, builtIn: Service): ServicePort[] {
  const { name, namespace = '' } = builtIn.metadata;
  const service = store.snapshot.get('Service', namespace, name) ?? builtIn;
  return (service.spec?.ports ?? []).map(({ name: portName, port, targetPort }) => ({
    name: portName ?? String(port),
    port,
    targetPort: typeof targetPort === 'number' ? targetPort : port,
  }));
}

/** The proxy's flag for a published port. A restarted proxy gets the ports that the first one chose. */
function publishArg(port: PublishedPort, previous: DataPlaneReady | undefined): string {
  const hostPort = previous === undefined ? port.hostPort : chosenPort(port, previous);
  return `${port.address.includes(':') ? `[${port.address}]` : port.address}:${hostPort}:${port.targetPort}`;
}

function withChosenPorts(published: readonly PublishedPort[], ready: DataPlaneReady): PublishedPort[] {
  return published.map((port) => ({ ...port, hostPort: chosenPort(port, ready) }));
}

/** The number a port got: its own, or the one the proxy chose where any free one would do. */
function chosenPort({ address, hostPort, targetPort }: PublishedPort, ready: DataPlaneReady): number {
  if (hostPort !== 0) return hostPort;
  return ready.published.find((port) => port.listenerPort === targetPort && port.host === address)?.port ?? 0;
}

/** The errno code why a port can't be had, or undefined. One that an Envoy of another instance will bind is in use. */
async function probePort(address: string, port: number): Promise<string | undefined> {
  const reason = await whyNotBindable(address, port);
  if (reason !== undefined || port === 0) return reason;
  return (await isReserved(address, port)) ? 'EADDRINUSE' : undefined;
}
