// One client of the ADS server: its node, its subscriptions, and the order in which responses go out: make before break.

import { fromBinary } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import { nodeName } from './node-name.ts';
import {
  type EncodedResource,
  type NodeResources,
  PUSH_ORDER,
  type ResourceSet,
  shortTypeName,
  TypeUrl,
} from './resources.ts';
import type { NextResponse, Refusal, Subscription } from './subscription.ts';

/**
 * How long listeners and routes wait for a client to accept the clusters and endpoints they may refer to. Envoy holds its ACK of
 * CDS back until the new clusters are warm, which takes a DNS lookup or a health check round; a name that does not resolve must not
 * hold back every later change, so after this long they go out all the same.
 */
export const WARMING_LIMIT_MS = 5_000;

/** What a client has of one type: a row of `proxy-status`. */
export interface SubscriptionStatus {
  readonly typeUrl: TypeUrl;
  /** Subscribed names, or '*'. */
  readonly names: readonly string[] | '*';
  /** Number of resources the client was last known to be sent. */
  readonly resources: number;
  /** '' where nothing was sent, or nothing was accepted. They differ while a response is under way, and after a refusal. */
  readonly sentVersion: string;
  readonly ackedVersion: string;
  /** When the last response was sent. */
  readonly sentAt: Date | undefined;
  /** The last refusal, as long as something of it stands. */
  readonly refusal: Refusal | undefined;
}

/** What the requests of both variants have. */
export interface XdsRequest {
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly node?: Node | undefined;
}

/** A variant of the protocol: how it keeps a subscription, and how it says a response. */
export interface ProtocolVariant<Request, Response> {
  readonly name: 'state of the world' | 'delta';
  subscribe(typeUrl: TypeUrl): Subscription<Request>;
  response(typeUrl: TypeUrl, next: NextResponse, nonce: string): Response;
}

export interface ClientStreamOptions<Request, Response> {
  variant: ProtocolVariant<Request, Response>;
  node: Node;
  log: Logger;
  resourcesFor: (node: Node) => NodeResources;
  send: (response: Response) => void;
  /** A nonce no response had before. */
  nonce: () => string;
  warmingLimitMs: number;
}

/** The state of one ADS stream whose node is known. */
export class ClientStream<Request extends XdsRequest, Response> {
  readonly node: Node;
  readonly #options: ClientStreamOptions<Request, Response>;
  readonly #subscriptions = new Map<TypeUrl, Subscription<Request>>();
  readonly #unknownTypes = new Set<string>();
  readonly #sentAt = new Map<TypeUrl, Date>();
  /** What the node is to have, as it was given, and as it is for the names subscribed by now. */
  #given: NodeResources;
  #resources: ResourceSet;
  /** Milliseconds (monotonic) since when the clusters or endpoints under way hold back listeners and routes. */
  #heldSince: number | undefined;
  #heldTimer: NodeJS.Timeout | undefined;

  /** Throws what `resourcesFor` throws: the node is then not one to serve. */
  constructor(options: ClientStreamOptions<Request, Response>) {
    this.#options = options;
    this.node = options.node;
    this.#given = options.resourcesFor(options.node);
    this.#resources = this.#subscribedOf(this.#given);
  }

  /** What the client has, type by type in push order. */
  status(): SubscriptionStatus[] {
    return PUSH_ORDER.flatMap((typeUrl) => {
      const subscription = this.#subscriptions.get(typeUrl);
      if (subscription === undefined) return [];
      const { names, count, sentVersion, ackedVersion, refusal } = subscription;
      const listed = names === '*' ? names : [...names];
      const sentAt = this.#sentAt.get(typeUrl);
      return [{ typeUrl, names: listed, resources: count, sentVersion, ackedVersion, sentAt, refusal }];
    });
  }

  /** The configuration may have changed: sends what is new. A failing translation leaves the client with what it has. */
  push(): void {
    try {
      const given = this.#options.resourcesFor(this.node);
      this.#resources = this.#subscribedOf(given);
      this.#given = given;
    } catch (error) {
      this.#options.log.error({ node: nodeName(this.node.id), err: error }, 'push failed: the node keeps what it has');
      return;
    }
    this.#flush();
  }

  /** A request arrived. */
  receive(request: Request): void {
    const { log } = this.#options;
    const typeUrl = PUSH_ORDER.find((known) => known === request.typeUrl);
    if (typeUrl === undefined) {
      if (!this.#unknownTypes.has(request.typeUrl))
        log.debug({ node: nodeName(this.node.id), typeUrl: request.typeUrl }, 'request for a type that is not served');
      if (this.#unknownTypes.size < 64) this.#unknownTypes.add(request.typeUrl);
      return;
    }
    let subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) {
      subscription = this.#options.variant.subscribe(typeUrl);
      this.#subscriptions.set(typeUrl, subscription);
    }
    const kind = subscription.receive(request);
    if (typeof this.#given === 'function') this.#resources = this.#subscribedOf(this.#given);
    const type = shortTypeName(typeUrl);
    if (kind === 'stale') {
      log.debug({ type, node: nodeName(this.node.id), nonce: request.responseNonce }, 'stale answer ignored');
    } else if ((kind === 'nack' || kind === 'narrowed') && subscription.refusal !== undefined) {
      const { version, resources, message } = subscription.refusal;
      // What is tried apart was said to be refused already; that it is alone, or all of it, is news again.
      log[kind === 'nack' ? 'warn' : 'debug'](
        {
          type,
          node: nodeName(this.node.id),
          version,
          accepted: subscription.ackedVersion,
          nonce: request.responseNonce,
          resources: namesInLog(resources),
          reason: message,
        },
        'rejected: the node keeps its last good configuration',
      );
    }
    this.#flush();
  }

  /** The stream ended. */
  close(): void {
    clearTimeout(this.#heldTimer);
    this.#subscriptions.clear();
  }

  #subscribedOf(given: NodeResources): ResourceSet {
    if (typeof given !== 'function') return given;
    return given((typeUrl) => this.#subscriptions.get(typeUrl)?.names ?? NO_NAMES);
  }

  // Order matters: what a resource refers to is sent before it. Listeners and routes also wait until the client accepted the
  // clusters and endpoints under way, since a route to a cluster that is still warming answers 503. Envoy holds its ACK back for
  // exactly this (ClusterManagerImpl pauses CDS while clusters warm).
  #flush(): void {
    for (const typeUrl of PUSH_ORDER) {
      const subscription = this.#subscriptions.get(typeUrl);
      if (subscription === undefined) continue;
      const held = USERS_OF_CLUSTERS.includes(typeUrl) && this.#held();
      const next = subscription.next(this.#resources.get(typeUrl), () => this.#keepsLeaving(typeUrl));
      if (next === undefined) continue;
      if (held) {
        this.#wait();
        continue;
      }
      if (typeUrl === TypeUrl.Cluster) this.#forgetEndpointsOf(next, subscription);
      this.#send(subscription, next);
    }
    if (!this.#warming()) this.#stopWaiting();
  }

  // What nothing refers to any more goes last: while routes and listeners are on their way, or were refused and the old ones go on
  // serving, the clusters they may use stay, and so do the endpoints of those.
  #keepsLeaving(typeUrl: TypeUrl): boolean {
    if (typeUrl === TypeUrl.Cluster) return this.#routesUnsettled();
    if (typeUrl === TypeUrl.ClusterLoadAssignment) return this.#routesUnsettled() || this.#unsettled(TypeUrl.Cluster);
    return false;
  }

  #routesUnsettled(): boolean {
    return USERS_OF_CLUSTERS.some((typeUrl) => this.#unsettled(typeUrl));
  }

  #unsettled(typeUrl: TypeUrl): boolean {
    const subscription = this.#subscriptions.get(typeUrl);
    return subscription?.unsettled || subscription?.next(this.#resources.get(typeUrl)) !== undefined;
  }

  // A changed cluster warms anew in Envoy, and waits for endpoints even where they are the same as before. Sent after the cluster on
  // the same stream they are there as soon as it asks.
  #forgetEndpointsOf(next: NextResponse, clusters: Subscription<Request>): void {
    const endpoints = this.#subscriptions.get(TypeUrl.ClusterLoadAssignment);
    if (endpoints === undefined) return;
    for (const resource of next.resources)
      if (clusters.versionOf(resource.name) !== resource.version) endpoints.forget(endpointsName(resource));
  }

  #send(subscription: Subscription<Request>, next: NextResponse): void {
    const nonce = this.#options.nonce();
    subscription.markSent(next, nonce);
    this.#sentAt.set(subscription.typeUrl, new Date());
    this.#options.send(this.#options.variant.response(subscription.typeUrl, next, nonce));
    const bytes = next.resources.reduce((sum, { any }) => sum + any.value.length, 0);
    const { log } = this.#options;
    log.info(
      {
        type: shortTypeName(subscription.typeUrl),
        node: nodeName(this.node.id),
        resources: next.resources.length,
        ...(log.isLevelEnabled('debug') ? { names: namesInLog(next.resources.map(({ name }) => name)) } : {}),
        ...(next.removed.length > 0 ? { removed: namesInLog(next.removed) } : {}),
        bytes,
        version: next.version,
      },
      next.requested ? 'push on request' : 'push',
    );
  }

  #warming(): boolean {
    return [TypeUrl.Cluster, TypeUrl.ClusterLoadAssignment].some(
      (typeUrl) => this.#subscriptions.get(typeUrl)?.inFlight,
    );
  }

  #held(): boolean {
    if (!this.#warming()) return false;
    return this.#heldSince === undefined || performance.now() - this.#heldSince < this.#options.warmingLimitMs;
  }

  #wait(): void {
    if (this.#heldSince !== undefined) return;
    this.#heldSince = performance.now();
    this.#heldTimer = setTimeout(() => {
      this.#options.log.warn(
        { node: nodeName(this.node.id), waitedMs: this.#options.warmingLimitMs },
        'clusters or endpoints are still not accepted: sending listeners and routes without waiting longer',
      );
      this.#heldSince = Number.NEGATIVE_INFINITY;
      this.#flush();
    }, this.#options.warmingLimitMs);
    this.#heldTimer.unref();
  }

  #stopWaiting(): void {
    clearTimeout(this.#heldTimer);
    this.#heldSince = undefined;
  }
}

/** The types whose resources send requests to clusters. */
const USERS_OF_CLUSTERS: readonly TypeUrl[] = [TypeUrl.Listener, TypeUrl.RouteConfiguration, TypeUrl.VirtualHost];

const NO_NAMES: ReadonlySet<string> = new Set();

const endpointsNames = new WeakMap<EncodedResource, string>();

/** The name under which the endpoints of a cluster are subscribed. */
function endpointsName(resource: EncodedResource): string {
  let name = endpointsNames.get(resource);
  if (name === undefined) {
    const cluster = fromBinary(ClusterSchema, resource.any.value);
    name = cluster.edsClusterConfig?.serviceName || cluster.name;
    endpointsNames.set(resource, name);
  }
  return name;
}

// A refused first response may hold thousands of names; the reason says which one it was.
function namesInLog(names: readonly string[]): string[] {
  return names.length <= 10 ? [...names] : [...names.slice(0, 10), `and ${names.length - 10} more`];
}
