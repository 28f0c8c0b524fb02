// Gateways as `limen up` runs them: which ports they publish, what each data plane is told, and what others are told about them.

import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Pod } from '../../../resources/types.ts';
import type { Store } from '../../../store/store.ts';
import { freePort, isReserved, portOrFree, reservePort, whyNotBindable } from '../../envoy/ports.ts';
import type { EnvoyProgram } from '../../envoy/program.ts';
import type { EnvoyFlags } from '../../envoy/run.ts';
import { formatHostPort } from '../../host-port.ts';
import type { ProxyFlags } from '../../proxy.ts';
import type { ControlPlane } from '../control-plane.ts';
import { parsePublish } from '../publish.ts';
import type { UpOptions } from '../serve.ts';
import type { DataPlaneSupply } from '../spare.ts';
import { PublishedServices } from './published-services.ts';
import { type GatewayFlags, GatewayRuntime } from './runtime.ts';

/** What carries the gateways' traffic. */
export interface DataPlanes {
  dataPlanes: DataPlaneSupply;
  /** The program, where the data planes are Envoys. */
  envoy: EnvoyProgram | undefined;
}

interface Dependencies extends DataPlanes {
  store: Store;
  /** `host:port` */
  xds: string;
  /** A folder for the files of Envoys. */
  envoyDirectory: string;
  log: Logger;
  /** Says to the control plane where an Envoy's listeners are published. */
  publish: ControlPlane['publish'];
  onChange: () => void;
}

/** The Service that `--publish` is about. */
const DEFAULT_GATEWAY = { namespace: 'istio-system', name: 'istio-ingressgateway' };
const ADMIN_PORT = 15000;

/** Gateways, and the ports that are published for them. */
export interface Gateways {
  readonly runtime: GatewayRuntime;
  /** Ends all, lets requests under way finish, gives the ports back. */
  close(): Promise<void>;
}

/**
 * Makes ready for gateways to be started.
 * @throws Error for the user where `--publish` asks for what can't be had
 */
export async function prepareGateways(options: UpOptions, deps: Dependencies): Promise<Gateways> {
  const { store, log, envoy, envoyDirectory, dataPlanes, xds, publish, onChange } = deps;
  const services = new PublishedServices({
    snapshot: () => store.snapshot,
    requested: {
      service: `${DEFAULT_GATEWAY.namespace}/${DEFAULT_GATEWAY.name}`,
      ports: (options.publish ?? []).map(parsePublish),
    },
    probe: probePort,
    anyPort: freePort,
    reserve: reservePort,
    pause: () => delay(50, undefined, { ref: false }),
  });
  const { namespace, name } = DEFAULT_GATEWAY;
  const service = store.snapshot.get('Service', namespace, name);
  if (service !== undefined)
    await services.publish(service, store.snapshot.get('Deployment', namespace, name)?.spec?.template.spec);

  const complete = (flags: GatewayFlags, { metadata }: Pod): ProxyFlags | EnvoyFlags => ({
    ...flags,
    xds,
    workers: options.workers,
    drainTime: options.drainTime,
    logLevel: options.logLevel,
    logFormat: options.logFormat,
    ...(envoy === undefined
      ? {}
      : { envoy: { path: envoy.path, directory: join(envoyDirectory, `${metadata.name}.${metadata.namespace}`) } }),
  });
  const runtime = new GatewayRuntime({
    log,
    startDataPlane: () => dataPlanes.next(),
    services,
    complete,
    adminAddress,
    sharePorts: process.platform === 'linux',
    onPublished(nodeId, ports) {
      publish(
        nodeId,
        ports?.map(({ address, hostPort, targetPort }) => ({ address, port: hostPort, listenerPort: targetPort })),
      );
    },
    onChange,
  });
  const unsubscribe = store.subscribe((_snapshot, changes) => {
    if (changes.some(({ object }) => object.kind === 'Service')) void runtime.servicesChanged();
  });
  return {
    runtime,
    async close() {
      unsubscribe();
      await runtime.close();
      await services.close();
    },
  };
}

/** The pod's own 15000, if it can be had. */
async function adminAddress(host: string): Promise<string> {
  return formatHostPort({ host, port: await portOrFree(host, ADMIN_PORT) });
}

/** The errno code why a port can't be had, or undefined. One that another gateway will bind is in use. */
async function probePort(address: string, port: number): Promise<string | undefined> {
  const reason = await whyNotBindable(address, port);
  if (reason !== undefined || port === 0) return reason;
  return (await isReserved(address, port)) ? 'EADDRINUSE' : undefined;
}
