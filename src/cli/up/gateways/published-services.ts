// The ports of this machine that stand for the gateways' Services: chosen when a Service is first seen, kept as long as it is there.

import { targetPortOn } from '../../../resources/pod-ports.ts';
import { matchesLabels } from '../../../resources/selectors.ts';
import type { Snapshot } from '../../../resources/snapshot.ts';
import type { Pod, Service } from '../../../resources/types.ts';
import type { Reservation } from '../../envoy/ports.ts';
import {
  chooseNodePorts,
  choosePorts,
  type PublishedPort,
  type PublishRequest,
  type ServicePort,
  type TryPort,
} from '../publish.ts';

/** A Service, and where its ports are on this machine. */
export interface PublishedService {
  /** `namespace/name` */
  readonly name: string;
  readonly ports: readonly PublishedPort[];
}

/** What the choice of ports depends on. */
export interface PublishedServicesOptions extends TryPort {
  snapshot: () => Snapshot;
  /** The Service that `--publish` is about, as `namespace/name`, and what it asks for. */
  requested: { service: string; ports: readonly PublishRequest[] };
  /** Keeps other instances off a port, also while nobody listens there. */
  reserve: (address: string, port: number) => Promise<Reservation | undefined>;
  /** A while, in which a data plane gives a port up. */
  pause: () => Promise<void>;
}

interface Held {
  readonly published: PublishedPort;
  readonly reservation: Reservation | undefined;
}

/** The targetPort of a Service port whose name no container port of the pod has. */
const NOWHERE = 0;

/** How often a port that is given back is looked at: a data plane that does not let go of it by then has it for good. */
const LEAVING_LOOKS = 40;

/** The published Services of an instance. */
export class PublishedServices {
  readonly #options: PublishedServicesOptions;
  /** By Service. */
  readonly #held = new Map<string, readonly Held[]>();
  /**
   * Ports that were given back, and which data planes still listen on for a moment, as `address port`: to be had again at once, so that a Service which
   * takes one over from another has it.
   */
  readonly #leaving = new Set<string>();
  /** One Service at a time: two must not choose the same port. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PublishedServicesOptions) {
    this.#options = options;
  }

  /** The Services of type LoadBalancer and NodePort that lead to a pod. */
  async leadingTo(pod: Pod): Promise<PublishedService[]> {
    const { namespace, labels } = pod.metadata;
    const services = this.#options
      .snapshot()
      .list('Service')
      .filter(
        ({ metadata, spec }) =>
          metadata.namespace === namespace &&
          isPublished(spec?.type) &&
          Object.keys(spec?.selector ?? {}).length > 0 &&
          matchesLabels(spec?.selector, labels),
      );
    return Promise.all(services.map((service) => this.publish(service, pod.spec)));
  }

  /**
   * Chooses ports for those of a Service that have none yet.
   * @param podSpec knows the numbers of ports that the Service names
   * @throws Error for the user where `--publish` asks for what can't be had
   */
  publish(service: Service, podSpec?: Pod['spec']): Promise<PublishedService> {
    return this.#inTurn(() => this.#publish(service, podSpec));
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }

  /**
   * Gives back what Services have that are gone or are published no more, and ports that they don't have any more. Called when Services have changed, before
   * any of them is published: another one may want these ports.
   */
  releaseGone(): Promise<void> {
    return this.#inTurn(() => this.#releaseGone());
  }

  async #releaseGone(): Promise<void> {
    const snapshot = this.#options.snapshot();
    for (const name of this.#held.keys()) {
      const [namespace = '', bare = ''] = name.split('/');
      const service = snapshot.get('Service', namespace, bare);
      if (isPublished(service?.spec?.type)) await this.#keep(name, service as Service);
      else {
        await this.#release(this.#held.get(name));
        this.#held.delete(name);
      }
    }
  }

  /** Gives everything back. */
  async close(): Promise<void> {
    await this.#turn;
    for (const { reservation } of [...this.#held.values()].flat()) await reservation?.release();
    this.#held.clear();
  }

  /** Whether a Service has ports of a load balancer: `--publish` gives them to one that is none, too. */
  #isBalanced(name: string, { spec }: Service): boolean {
    const { requested } = this.#options;
    return spec?.type === 'LoadBalancer' || (requested.service === name && requested.ports.length > 0);
  }

  /** Gives back the ports that a Service has had and that are no longer its. */
  async #keep(name: string, service: Service): Promise<void> {
    const ports = portsOf(service, undefined);
    const before = this.#held.get(name) ?? [];
    const kept = before.filter(
      ({ published }) =>
        ports.some((port) => isSame(published, port)) && (published.isNodePort || this.#isBalanced(name, service)),
    );
    if (before.length === kept.length) return;
    this.#held.set(name, kept);
    await this.#release(before.filter((each) => !kept.includes(each)));
  }

  async #release(held: readonly Held[] = []): Promise<void> {
    for (const { published, reservation } of held) {
      await reservation?.release();
      void this.#seeLeave(published.address, published.hostPort);
    }
  }

  async #seeLeave(address: string, port: number): Promise<void> {
    const key = `${address} ${port}`;
    this.#leaving.add(key);
    for (let looks = 0; looks < LEAVING_LOOKS; looks += 1) {
      await this.#options.pause();
      if (!this.#leaving.has(key)) return; // somebody has it again
      if ((await this.#options.probe(address, port)) === undefined) break;
    }
    this.#leaving.delete(key);
  }

  readonly #tryPort: TryPort = {
    probe: async (address, port) =>
      this.#leaving.has(`${address} ${port}`) ? undefined : this.#options.probe(address, port),
    anyPort: (address) => this.#options.anyPort(address),
  };

  async #publish(service: Service, podSpec: Pod['spec']): Promise<PublishedService> {
    const name = `${service.metadata.namespace ?? 'default'}/${service.metadata.name}`;
    const { requested } = this.#options;
    const requests = requested.service === name ? requested.ports : [];
    const ports = portsOf(service, podSpec);
    await this.#keep(name, service);
    const before = this.#held.get(name);
    const held = (before ?? []).map((each): Held => {
      const port = ports.find((candidate) => isSame(each.published, candidate));
      return { ...each, published: { ...each.published, ...port } };
    });
    const chosen: PublishedPort[] = [];
    if (requests.length > 0) {
      // What was asked for was asked for once: a port that the Service gets later is not among it.
      if (before === undefined) chosen.push(...(await choosePorts({ name, ports }, requests, this.#tryPort)));
    } else {
      const without = (isNodePort: boolean) =>
        ports.filter(
          (port) =>
            !held.some(({ published }) => (published.isNodePort ?? false) === isNodePort && isSame(published, port)),
        );
      if (this.#isBalanced(name, service))
        chosen.push(...(await choosePorts({ name, ports: without(false) }, [], this.#tryPort)));
      chosen.push(...(await chooseNodePorts(without(true), this.#tryPort)));
    }
    for (const published of chosen) {
      this.#leaving.delete(`${published.address} ${published.hostPort}`);
      held.push({ published, reservation: await this.#options.reserve(published.address, published.hostPort) });
    }
    // As in the Service, node ports last.
    const order = ({ published }: Held) =>
      (published.isNodePort ? ports.length : 0) + ports.findIndex((port) => port.port === published.port);
    held.sort((a, b) => order(a) - order(b));
    this.#held.set(name, held);
    // One that leads nowhere on this pod stays chosen: the name may come back, and other pods may have it.
    return { name, ports: held.map(({ published }) => published).filter(({ targetPort }) => targetPort !== NOWHERE) };
  }
}

function isPublished(type: string | undefined): boolean {
  return type === 'LoadBalancer' || type === 'NodePort';
}

/** Whether a published port stands for this port of its Service. */
function isSame(published: PublishedPort, port: ServicePort): boolean {
  return published.port === port.port && (!published.isNodePort || published.nodePort === port.nodePort);
}

/** The ports of a Service that a gateway can serve: UDP (HTTP/3) is none of them. */
function portsOf({ spec }: Service, podSpec: Pod['spec']): ServicePort[] {
  return (spec?.ports ?? [])
    .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
    .map(({ name, port, targetPort, nodePort }) => ({
      name: name ?? String(port),
      port,
      targetPort: targetPortOn(podSpec, targetPort ?? port) ?? NOWHERE,
      ...(nodePort ? { nodePort } : {}),
    }));
}
