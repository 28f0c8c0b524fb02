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
}

interface Held {
  readonly published: PublishedPort;
  readonly reservation: Reservation | undefined;
}

/** The targetPort of a Service port whose name no container port of the pod has. */
const NOWHERE = 0;

/** The published Services of an instance. */
export class PublishedServices {
  readonly #options: PublishedServicesOptions;
  /** By Service. */
  readonly #held = new Map<string, readonly Held[]>();
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
    const result = this.#turn.then(() => this.#publish(service, podSpec));
    this.#turn = result.catch(() => {});
    return result;
  }

  /** Gives back what Services have that are gone, or are published no more. Called when Services have changed. */
  async releaseGone(): Promise<void> {
    await this.#turn;
    const snapshot = this.#options.snapshot();
    for (const [name, held] of this.#held) {
      const [namespace = '', bare = ''] = name.split('/');
      if (isPublished(snapshot.get('Service', namespace, bare)?.spec?.type)) continue;
      this.#held.delete(name);
      await release(held);
    }
  }

  /** Gives everything back. */
  async close(): Promise<void> {
    await this.#turn;
    for (const held of this.#held.values()) await release(held);
    this.#held.clear();
  }

  async #publish(service: Service, podSpec: Pod['spec']): Promise<PublishedService> {
    const name = `${service.metadata.namespace ?? 'default'}/${service.metadata.name}`;
    const { requested } = this.#options;
    const requests = requested.service === name ? requested.ports : [];
    const ports = portsOf(service, podSpec);
    const balanced = service.spec?.type === 'LoadBalancer' || requests.length > 0;
    const before = this.#held.get(name);
    const held: Held[] = [];
    for (const each of before ?? []) {
      const port = ports.find((candidate) => isSame(each.published, candidate));
      if (port === undefined || !(balanced || each.published.isNodePort)) await release([each]);
      else held.push({ ...each, published: { ...each.published, ...port } });
    }
    const chosen: PublishedPort[] = [];
    if (requests.length > 0) {
      // What was asked for was asked for once: a port that the Service gets later is not among it.
      if (before === undefined) chosen.push(...(await choosePorts({ name, ports }, requests, this.#options)));
    } else {
      const without = (isNodePort: boolean) =>
        ports.filter(
          (port) =>
            !held.some(({ published }) => (published.isNodePort ?? false) === isNodePort && isSame(published, port)),
        );
      if (balanced) chosen.push(...(await choosePorts({ name, ports: without(false) }, [], this.#options)));
      chosen.push(...(await chooseNodePorts(without(true), this.#options)));
    }
    for (const published of chosen)
      held.push({ published, reservation: await this.#options.reserve(published.address, published.hostPort) });
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

async function release(held: Iterable<Held>): Promise<void> {
  for (const { reservation } of held) await reservation?.release();
}
