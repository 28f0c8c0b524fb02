// Gives Services their cluster addresses and node ports. https://kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation/

import type { ResourceObject } from '../../resources/object.ts';
import type { Service, ServiceSpec } from '../../resources/types.ts';
import type { StatusCause } from '../status.ts';

/** 10.96.0.0/12, which kubeadm gives Services; the first address is the API server's own Service. */
const NETWORK = (10 << 24) | (96 << 16);
const NETWORK_SIZE = 1 << 20;
/** The first addresses are left to those who choose one. */
const FIRST_CHOSEN = 4096;
/** The address of the Service `kubernetes`. */
export const KUBERNETES_SERVICE_IP = '10.96.0.1';
const NODE_PORTS = { first: 30_000, last: 32_767 };
/** How many that are not in the store yet are remembered. */
const MAX_PENDING = 2000;

/** A Service that can't have what it asks for. */
export class AddressError extends Error {
  override name = 'AddressError';
  readonly causes: readonly StatusCause[];

  constructor(causes: readonly StatusCause[]) {
    super(causes.map(({ field, message }) => `${field}: ${message}`).join(', '));
    this.causes = causes;
  }
}

/** What other Services have. */
interface Taken {
  addresses: Set<string>;
  ports: Set<number>;
}

/** Gives out addresses and node ports that no other Service has. */
export class ServiceAddresses {
  readonly #random: () => number;
  /** Handed out, and perhaps not in the store yet. */
  readonly #pending = new Set<string | number>();

  /** @param random from 0 up to 1 */
  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /**
   * The Service with what it had before, and what it lacks.
   *
   * @param service with its defaults
   * @param others all Services there are; `current` may be among them
   * @throws AddressError
   */
  allocate(
    service: ResourceObject,
    current: ResourceObject | undefined,
    others: readonly ResourceObject[],
  ): ResourceObject {
    const spec = { ...(service.spec as ServiceSpec) };
    if (spec.type === 'ExternalName') return service;
    const before = (current as Service | undefined)?.spec;
    const taken = takenBy(others as readonly Service[], service);
    const had = before?.type === 'ExternalName' ? undefined : before?.clusterIP;
    if (
      had !== undefined &&
      had !== '' &&
      spec.clusterIP !== undefined &&
      spec.clusterIP !== '' &&
      spec.clusterIP !== had
    )
      throw new AddressError([
        {
          reason: 'FieldValueInvalid',
          field: 'spec.clusterIPs[0]',
          message: `Invalid value: ${JSON.stringify([spec.clusterIP])}: may not change once set`,
        },
      ]);
    const clusterIP = spec.clusterIP || had || this.#address(taken);
    if (clusterIP !== 'None' && clusterIP !== had && taken.addresses.has(clusterIP))
      throw new AddressError([
        {
          reason: 'FieldValueInvalid',
          field: 'spec.clusterIPs',
          message: `Invalid value: ${JSON.stringify([clusterIP])}: failed to allocate IP ${clusterIP}: provided IP is already allocated`,
        },
      ]);
    spec.clusterIP = clusterIP;
    spec.clusterIPs = [clusterIP];
    if (spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false))
      spec.ports = this.#withNodePorts(spec.ports ?? [], before?.ports ?? [], taken);
    else if (spec.type === 'ClusterIP') spec.ports = spec.ports?.map(({ nodePort: _, ...port }) => port) ?? [];
    return { ...service, spec };
  }

  #withNodePorts(ports: Ports, before: Ports, taken: Taken): Ports {
    const own = new Set<number>();
    return ports.map((port, index) => {
      const same = before.find((old) => old.port === port.port && (old.protocol ?? 'TCP') === (port.protocol ?? 'TCP'));
      const asked = port.nodePort || same?.nodePort;
      if (asked === undefined) {
        const nodePort = this.#nodePort(taken, own);
        own.add(nodePort);
        return { ...port, nodePort };
      }
      const refuse = (message: string) =>
        new AddressError([
          {
            reason: 'FieldValueInvalid',
            field: `spec.ports[${index}].nodePort`,
            message: `Invalid value: ${asked}: ${message}`,
          },
        ]);
      if (asked < NODE_PORTS.first || asked > NODE_PORTS.last)
        throw refuse(
          `provided port is not in the valid range. The range of valid ports is ${NODE_PORTS.first}-${NODE_PORTS.last}`,
        );
      if (taken.ports.has(asked)) throw refuse('provided port is already allocated');
      own.add(asked);
      return { ...port, nodePort: asked };
    });
  }

  #address({ addresses }: Taken): string {
    return this.#choose(
      NETWORK_SIZE - FIRST_CHOSEN - 1,
      (number) => {
        const bits = NETWORK + FIRST_CHOSEN + number;
        return [bits >>> 24, (bits >>> 16) & 255, (bits >>> 8) & 255, bits & 255].join('.');
      },
      (address) => addresses.has(address),
    );
  }

  #nodePort({ ports }: Taken, own: ReadonlySet<number>): number {
    return this.#choose(
      NODE_PORTS.last - NODE_PORTS.first + 1,
      (number) => NODE_PORTS.first + number,
      (port) => ports.has(port) || own.has(port),
    );
  }

  /** A free one of `size`: from a random place on. */
  #choose<Value extends string | number>(
    size: number,
    valueAt: (number: number) => Value,
    isTaken: (value: Value) => boolean,
  ): Value {
    const start = Math.floor(this.#random() * size);
    for (let step = 0; step < size; step++) {
      const value = valueAt((start + step) % size);
      if (isTaken(value) || this.#pending.has(value)) continue;
      this.#pending.add(value);
      if (this.#pending.size > MAX_PENDING) this.#pending.delete(this.#pending.values().next().value!);
      return value;
    }
    throw new AddressError([{ reason: 'InternalError', message: 'all addresses are taken', field: 'spec' }]);
  }
}

type Ports = NonNullable<ServiceSpec['ports']>;

function takenBy(services: readonly Service[], self: ResourceObject): Taken {
  const taken: Taken = { addresses: new Set(), ports: new Set() };
  for (const { metadata, spec } of services) {
    if (metadata.name === self.metadata.name && metadata.namespace === self.metadata.namespace) continue;
    if (spec?.clusterIP) taken.addresses.add(spec.clusterIP);
    for (const { nodePort } of spec?.ports ?? []) if (nodePort) taken.ports.add(nodePort);
  }
  return taken;
}
