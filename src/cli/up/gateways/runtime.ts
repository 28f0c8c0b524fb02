// Gateways are containers: each one is a data plane process, which binds the ports that are published for the Services that lead to its pod.

import type { Logger } from 'pino';
import type { Publish } from '../../../dataplane/config/bind-rules.ts';
import type { Pod } from '../../../resources/types.ts';
import {
  type BoundPorts,
  type ContainerRuntime,
  type ContainerToRun,
  ImageError,
  type RunningContainer,
} from '../../../workloads/container-runtime.ts';
import type { EnvoyFlags } from '../../envoy/run.ts';
import { formatHostPort } from '../../host-port.ts';
import type { ProxyFlags } from '../../proxy.ts';
import type { DataPlane } from '../data-plane.ts';
import type { PublishedPort } from '../publish.ts';
import { isGatewayImage, whyNoGateway } from './image.ts';
import { labelsOf, nodeIdOf, workloadOf } from './pod-proxy.ts';
import type { PublishedService, PublishedServices } from './published-services.ts';

/** A gateway that serves. */
export interface GatewayProxy {
  readonly workload: string;
  readonly namespace: string;
  readonly pod: string;
  readonly nodeId: string;
  readonly ip: string;
  /** `host:port` */
  readonly admin: string;
  readonly published: readonly PublishedPort[];
}

/** What a data plane is told by the runtime; the rest (the xDS server, how much is logged) is the same for all. */
export type GatewayFlags = Required<
  Pick<
    ProxyFlags,
    'nodeId' | 'label' | 'metadata' | 'serviceAccount' | 'address' | 'adminAddress' | 'publish' | 'reusePort'
  >
>;

export interface GatewayRuntimeOptions {
  readonly log: Logger;
  /** A data plane's process, with nothing to serve yet. */
  readonly startDataPlane: () => DataPlane;
  readonly services: PublishedServices;
  readonly complete: (flags: GatewayFlags, pod: Pod) => ProxyFlags | EnvoyFlags;
  /** Where the admin interface of a pod with this address is to listen: `host:port`. */
  readonly adminAddress: (ip: string) => Promise<string>;
  /**
   * Whether several processes can bind one port (SO_REUSEPORT), and the kernel shares the connections out: on Linux. Elsewhere one pod of
   * a Service has its published ports, and the others stand by.
   */
  readonly sharePorts: boolean;
  /** Told what is published for a data plane: before it connects to the control plane, whenever it changes, and undefined when it is gone. */
  readonly onPublished: (nodeId: string, ports: readonly PublishedPort[] | undefined) => void;
  /** Called whenever `proxies` has changed. */
  readonly onChange: () => void;
}

/** A gateway's container. */
interface Gateway {
  proxy: GatewayProxy | undefined;
  /** What it publishes, for comparing. */
  published: string;
  /** Looks at the Services again. Never rejects. */
  follow(): Promise<void>;
  stop(graceMs?: number): Promise<void>;
  kill(): void;
}

/** The runtime of gateway images. */
export class GatewayRuntime implements ContainerRuntime {
  readonly name = 'limen';
  readonly #options: GatewayRuntimeOptions;
  /** In the order of their start. */
  readonly #gateways = new Set<Gateway>();
  /** Where ports can't be shared: which gateway has those of a Service. */
  readonly #holders = new Map<string, Gateway>();
  readonly #failed = Promise.withResolvers<never>();
  #closing = false;

  constructor(options: GatewayRuntimeOptions) {
    this.#options = options;
    this.#failed.promise.catch(() => {}); // for who waits for it
  }

  /** Those that serve, in the order of their start. */
  get proxies(): GatewayProxy[] {
    return [...this.#gateways].flatMap(({ proxy }) => proxy ?? []);
  }

  /** Rejects when a gateway can't start, with an Error for the user. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  canRun(image: string): boolean {
    return isGatewayImage(image);
  }

  async start(container: ContainerToRun): Promise<RunningContainer> {
    const { pod, image } = container;
    const reason = whyNoGateway(image, pod);
    if (reason !== undefined) throw new ImageError(reason);
    if (this.#closing) throw new Error('no gateway starts any more: limen up is ending');
    const { container: running, gateway } = this.#run(container);
    this.#gateways.add(gateway);
    void running.exit.then(() => {
      this.#gateways.delete(gateway);
      this.#giveUpPorts(gateway);
      this.#options.onChange();
    });
    return running;
  }

  /** To be called when Services have changed: what is published follows, in the processes that run. */
  async servicesChanged(): Promise<void> {
    await this.#options.services.releaseGone();
    await Promise.all([...this.#gateways].map((gateway) => gateway.follow()));
  }

  /** Lets all finish what is under way and ends their processes; starts no more. Containers end when the node stops them. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#gateways].map((gateway) => gateway.stop()));
  }

  /** Ends all at once. */
  kill(): void {
    this.#closing = true;
    for (const gateway of this.#gateways) gateway.kill();
  }

  #run({ pod, spec, ip, write }: ContainerToRun): { container: RunningContainer; gateway: Gateway } {
    const { log, services, startDataPlane, complete, adminAddress, sharePorts, onPublished, onChange } = this.#options;
    const id = `${pod.metadata.namespace ?? 'default'}/${pod.metadata.name}`;
    const nodeId = nodeIdOf(pod, ip);
    const exit = Promise.withResolvers<number>();
    void exit.promise.then(() => onPublished(nodeId, undefined));
    const dataPlane = startDataPlane();
    let ending = false;
    let turn: Promise<unknown> = Promise.resolve();

    const wanted = async () => this.#share(gateway, await services.leadingTo(pod));

    /** Tells the process what to serve. An end that nobody asked for is the container's. */
    const serve = async (published: readonly PublishedPort[]) => {
      gateway.published = JSON.stringify(published);
      onPublished(nodeId, published);
      const flags: GatewayFlags = {
        nodeId,
        label: labelsOf(pod),
        metadata: [`WORKLOAD_NAME=${workloadOf(pod)}`],
        serviceAccount: pod.spec?.serviceAccountName ?? 'default',
        address: ip,
        adminAddress: await adminAddress(ip),
        publish: published.map(argumentOf),
        reusePort: sharePorts,
      };
      void dataPlane.exit.then((code) => {
        if (!ending) exit.resolve(code);
      });
      const { admin } = await dataPlane.serve(complete(flags, pod), write);
      const { namespace = 'default', name } = pod.metadata;
      gateway.proxy = { workload: workloadOf(pod), namespace, pod: name, nodeId, ip, admin, published };
      onChange();
    };
    const gateway: Gateway = {
      proxy: undefined,
      published: '',
      follow() {
        const followed = turn.then(async () => {
          if (ending || gateway.proxy === undefined) return;
          const published = await wanted();
          if (JSON.stringify(published) === gateway.published) return;
          gateway.published = JSON.stringify(published);
          onPublished(nodeId, published);
          await dataPlane.publish(published.map((port) => ({ ...ruleOf(port), reusePort: sharePorts })));
          if (ending) return;
          gateway.proxy = { ...gateway.proxy, published };
          onChange();
        });
        turn = followed.catch((error: Error) => {
          log.error({ pod: id, reason: error.message }, 'the published ports could not follow the Services');
        });
        return turn as Promise<void>;
      },
      async stop(graceMs) {
        ending = true;
        if (gateway.proxy !== undefined) {
          gateway.proxy = undefined;
          onChange(); // who looks for a gateway is to find one that stays
        }
        await dataPlane.stop(graceMs);
      },
      kill() {
        ending = true;
        dataPlane.kill();
      },
    };

    const listening = wanted()
      .then(serve)
      .then(
        (): BoundPorts => new Map((spec.ports ?? []).map(({ containerPort }) => [containerPort, containerPort])),
        async (error: Error) => {
          if (ending) await exit.promise; // ended on request before it was ready: there is nothing to tell of it but its end
          throw error;
        },
      );
    listening.catch((error: Error) => {
      if (ending) return;
      this.#failed.reject(error);
      dataPlane.kill();
      void dataPlane.exit.then((code) => exit.resolve(code));
    });
    turn = listening.catch(() => {});
    const container: RunningContainer = {
      pid: dataPlane.pid,
      exit: exit.promise,
      listening,
      async stop(graceMs) {
        await gateway.stop(graceMs);
        exit.resolve(await dataPlane.exit);
      },
    };
    return { container, gateway };
  }

  /** The ports that a gateway is to publish: all of its Services', or those that no other one has. */
  #share(gateway: Gateway, services: readonly PublishedService[]): PublishedPort[] {
    if (this.#options.sharePorts) return services.flatMap(({ ports }) => ports);
    return services.flatMap(({ name, ports }) => {
      const holder = this.#holders.get(name) ?? gateway;
      this.#holders.set(name, holder);
      return holder === gateway ? ports : [];
    });
  }

  #giveUpPorts(gateway: Gateway): void {
    const held = [...this.#holders].filter(([, holder]) => holder === gateway);
    for (const [service] of held) this.#holders.delete(service);
    if (held.length > 0 && !this.#closing) for (const other of this.#gateways) void other.follow();
  }
}

function argumentOf({ address, hostPort, targetPort }: PublishedPort): string {
  return `${formatHostPort({ host: address, port: hostPort })}:${targetPort}`;
}

function ruleOf({ address, hostPort, targetPort }: PublishedPort): Publish {
  return { host: address, hostPort, listenerPort: targetPort };
}
