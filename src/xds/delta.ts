// The incremental variant, the server's side: requests and responses say what changed, and each resource has its own version.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds

import { create } from '@bufbuild/protobuf';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type Resource,
  ResourceSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { changedNames } from './resource-changes.ts';
import { type EncodedResource, subscribedName, TypeUrl } from './resources.ts';
import { MAX_MESSAGE_BYTES } from './service.ts';
import { SetVersion } from './set-version.ts';
import type { ProtocolVariant } from './stream.ts';
import { type NextResponse, NOTHING, type RequestKind, type Resources, Subscription } from './subscription.ts';

/**
 * What a response holds at most (more only where a single resource is larger): below the 4 MiB that gRPC clients take unless told otherwise.
 * The rest follows once it was accepted, so that this bounds what is buffered for a client that does not read.
 */
export const MAX_RESPONSE_BYTES = 3 * 1024 * 1024;

/**
 * Of virtual hosts: a table of routes is taken as a whole, as in RDS, so that no host is unknown for as long as the rest of the first answer is on its
 * way. Half of what Limen's proxy takes.
 */
const MAX_VIRTUAL_HOSTS_BYTES = MAX_MESSAGE_BYTES / 2;

/** What a resource costs in a response beside its content and its names: tags, lengths, version, type URL. */
const OVERHEAD_BYTES = 120;

/** One type on one stream. */
export class DeltaSubscription extends Subscription<DeltaDiscoveryRequest> {
  readonly #hasWildcard: boolean;
  /** A name stands for all resources below it. */
  readonly #namesStandForMany: boolean;
  readonly #maxBytes: number;
  #opened = false;
  /** Name → version of what the client was last sent, accepted or not, or said it has. '' where that is not known. */
  readonly #held = new Map<string, string>();
  readonly #heldVersion = new SetVersion();
  /** Names that may differ between `#held` and `#compared`; nothing else does. */
  readonly #pending = new Set<string>();
  #compared: Resources | undefined;

  constructor(typeUrl: TypeUrl) {
    super(typeUrl);
    this.#hasWildcard = typeUrl === TypeUrl.Listener || typeUrl === TypeUrl.Cluster;
    this.#namesStandForMany = typeUrl === TypeUrl.VirtualHost;
    this.#maxBytes = this.#namesStandForMany ? MAX_VIRTUAL_HOSTS_BYTES : MAX_RESPONSE_BYTES;
  }

  get count(): number {
    return this.#held.size;
  }

  versionOf(name: string): string | undefined {
    return this.#held.get(name);
  }

  receive(request: DeltaDiscoveryRequest): RequestKind {
    const { resourceNamesSubscribe: added, resourceNamesUnsubscribe: dropped } = request;
    const first = !this.#opened;
    this.#opened = true;
    if (first) {
      for (const [name, version] of Object.entries(request.initialResourceVersions)) this.#hold(name, version);
      // No name at all means all of them: the protocol's legacy wildcard. RDS, EDS and SDS have none.
      if (this.#hasWildcard && added.length === 0 && dropped.length === 0) this.#subscribeToAll();
    }
    for (const name of added) this.#subscribe(name, first);
    this.checkNames();
    for (const name of dropped) this.#unsubscribe(name);
    if (first) for (const name of this.#held.keys()) if (!this.wants(name)) this.#drop(name);
    // Changes of the subscription count whatever the nonce; it is only an answer where it is that of the response under way.
    if (request.responseNonce === '') return 'subscribe';
    if (request.responseNonce !== this.nonceInFlight) return 'stale';
    return this.answered(request.errorDetail?.message, true);
  }

  next(available: Resources = NOTHING, keep?: () => boolean): NextResponse | undefined {
    if (this.inFlight) return undefined;
    this.#compare(available);
    if (this.refusedNames.size > 0) this.forgetRefused(available);
    const changes = this.#changes(available, keep);
    if (changes.resources.length > 0 || changes.removed.length > 0 || this.mustAnswer)
      return this.#response(changes, false);
    const again = this.nextRetry((names) => {
      const resources = names.map((name) => available.get(name)).filter((resource) => resource !== undefined);
      const removed = names.filter((name) => !available.has(name));
      return resources.length > 0 || removed.length > 0 ? { resources, removed } : undefined;
    });
    if (again !== undefined) return this.#response(again, true);
    this.forgetRefusal();
    return undefined;
  }

  override markSent(response: NextResponse, nonce: string): void {
    super.markSent(response, nonce);
    for (const { name, version } of response.resources) {
      this.#hold(name, version);
      this.#pending.delete(name);
    }
    for (const name of response.removed) {
      this.#release(name);
      this.#pending.delete(name);
    }
  }

  forget(name: string): void {
    if (!this.#held.has(name)) return;
    this.#hold(name, '');
    this.#pending.add(name);
  }

  // The server must send what is subscribed again, even where it believes that the client has it. What a client says that it has on its
  // first request is what it does have.
  #subscribe(name: string, first: boolean): void {
    if (name === '*') {
      this.#subscribeToAll();
      return;
    }
    this.named.add(name);
    if (first) this.mustAnswer = true;
    if (this.#namesStandForMany) {
      this.mustAnswer = true;
      if (!first) for (const below of this.#below(name)) this.forget(below);
      this.#compared = undefined;
    }
    if (!first || !this.#held.has(name)) this.asked.add(name);
    this.#pending.add(name);
  }

  #subscribeToAll(): void {
    if (this.wildcard) return;
    this.wildcard = true;
    this.mustAnswer = true;
    this.#compared = undefined;
  }

  #unsubscribe(name: string): void {
    if (name === '*') {
      this.wildcard = false;
      for (const held of this.#held.keys()) if (!this.named.has(held)) this.#drop(held);
      for (const refused of this.refusedNames) if (!this.named.has(refused)) this.#drop(refused);
      return;
    }
    if (!this.named.delete(name)) return;
    if (!this.wildcard) {
      this.#drop(name);
      if (this.#namesStandForMany) for (const below of this.#below(name)) this.#drop(below);
      return;
    }
    // The client does not know whether the wildcard includes the name: it must be told.
    this.asked.add(name);
    this.#pending.add(name);
  }

  #drop(name: string): void {
    this.#release(name);
    this.#pending.delete(name);
    this.asked.delete(name);
    this.refusedNames.delete(name);
  }

  #compare(available: Resources): void {
    if (this.#compared === available) return;
    if (this.#compared === undefined) {
      for (const name of this.#held.keys()) this.#pending.add(name);
      if (this.#namesStandForMany) this.#expand(available);
      else for (const name of this.wildcard ? available.keys() : this.named) this.#pending.add(name);
    } else {
      for (const name of changedNames(this.#compared, available)) if (this.wants(name)) this.#pending.add(name);
    }
    this.#compared = available;
  }

  /** What there is below the subscribed names. A name with nothing below it stays: it is told as one that does not exist. */
  #expand(available: Resources): void {
    const found = new Set<string>();
    for (const name of available.keys()) {
      if (!this.wants(name)) continue;
      this.#pending.add(name);
      found.add(subscribedName(this.typeUrl, name));
    }
    for (const name of found) {
      this.#pending.delete(name);
      this.asked.delete(name);
    }
  }

  /** The names below a name of what the client has or is to be sent. */
  #below(name: string): string[] {
    return [...this.#held.keys(), ...this.#pending].filter((each) => subscribedName(this.typeUrl, each) === name);
  }

  #changes(available: Resources, keep?: () => boolean) {
    const resources: EncodedResource[] = [];
    const removed: string[] = [];
    const retried = this.retried();
    let kept: boolean | undefined;
    let bytes = 0;
    for (const name of this.#pending) {
      const resource = available.get(name);
      const held = this.#held.get(name);
      const asked = this.asked.has(name);
      if (!asked && retried.has(name)) continue;
      if (!asked && held === resource?.version) {
        this.#pending.delete(name);
      } else if (resource === undefined) {
        if (held !== undefined) kept ??= keep?.() ?? false;
        if (held === undefined || !kept) removed.push(name);
      } else {
        bytes += resource.any.value.length + 2 * name.length + OVERHEAD_BYTES;
        if (resources.length > 0 && bytes > this.#maxBytes) break;
        resources.push(resource);
      }
    }
    return { resources, removed };
  }

  #response(changes: Pick<NextResponse, 'resources' | 'removed'>, retry: boolean): NextResponse {
    const version = this.#heldVersion.copy();
    const toggle = (member: string | undefined) => member !== undefined && version.toggle(member);
    for (const resource of changes.resources) {
      toggle(this.#held.get(resource.name));
      toggle(resource.version);
    }
    for (const name of changes.removed) toggle(this.#held.get(name));
    return { ...changes, version: version.toString(), requested: this.mustAnswer || this.asked.size > 0, retry };
  }

  #hold(name: string, version: string): void {
    this.#release(name);
    this.#held.set(name, version);
    this.#heldVersion.toggle(version);
  }

  #release(name: string): void {
    const version = this.#held.get(name);
    if (version === undefined) return;
    this.#held.delete(name);
    this.#heldVersion.toggle(version);
  }
}

const wrapped = new WeakMap<EncodedResource, Resource>();

function wrap(resource: EncodedResource): Resource {
  let message = wrapped.get(resource);
  if (message === undefined) {
    const { name, version, any } = resource;
    message = create(ResourceSchema, { name, version, resource: any });
    wrapped.set(resource, message);
  }
  return message;
}

/** The incremental variant of the protocol. */
export const delta: ProtocolVariant<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = {
  name: 'delta',
  subscribe: (typeUrl) => new DeltaSubscription(typeUrl),
  response: (typeUrl, { resources, removed, version }, nonce) =>
    create(DeltaDiscoveryResponseSchema, {
      typeUrl,
      systemVersionInfo: version,
      nonce,
      resources: resources.map(wrap),
      removedResources: [...removed],
    }),
};
