// The state-of-the-world variant, the server's side: a request lists all names, a response of LDS and CDS all resources.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol

import { create } from '@bufbuild/protobuf';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { changedNames } from './resource-changes.ts';
import { type EncodedResource, TypeUrl } from './resources.ts';
import { SetVersion } from './set-version.ts';
import type { ProtocolVariant } from './stream.ts';
import { type NextResponse, NOTHING, type RequestKind, type Resources, Subscription } from './subscription.ts';

/** One type on one stream. */
export class StateOfTheWorldSubscription extends Subscription<DiscoveryRequest> {
  /** LDS and CDS responses are the whole state, so that leaving a resource out removes it. The others carry what changed. */
  readonly #wholeState: boolean;
  #explicit = false;
  /** What the client was last sent under each name, accepted or not: the same bytes are never sent twice unasked. */
  readonly #sent = new Map<string, EncodedResource>();
  #lastNonce = '';
  /** What the client says it has, from a stream before this one. Of the whole state, equal versions are equal content. */
  #heldVersion = '';
  /** What the client was found to have all of. */
  #settled: Resources | undefined;

  constructor(typeUrl: TypeUrl) {
    super(typeUrl);
    this.#wholeState = typeUrl === TypeUrl.Listener || typeUrl === TypeUrl.Cluster;
  }

  get count(): number {
    return this.#sent.size;
  }

  versionOf(name: string): string | undefined {
    return this.#sent.get(name)?.version;
  }

  receive(request: DiscoveryRequest): RequestKind {
    this.#settled = undefined;
    if (request.responseNonce === '') {
      if (this.#wholeState && this.#sent.size === 0) this.#heldVersion = request.versionInfo;
      const added = this.#subscribe(request.resourceNames);
      // Asked again from scratch (with nothing under way that will answer): everything is wanted, not only what is new.
      if (!this.inFlight) for (const name of this.named) added.add(name);
      this.#ask(added, !this.inFlight && (this.wildcard || added.size > 0));
      return 'subscribe';
    }
    if (request.responseNonce !== this.#lastNonce) {
      // It answers nothing. But the names are what the client wants by now, and a name it dropped and took up again while
      // our response is under way would otherwise never be sent again.
      if (this.inFlight) this.#ask(this.#subscribe(request.resourceNames), false);
      return 'stale';
    }
    const added = this.#subscribe(request.resourceNames);
    const kind = this.answered(request.errorDetail?.message, !this.#wholeState);
    this.#ask(added, added.size > 0);
    return kind;
  }

  next(available: Resources = NOTHING, keep?: () => boolean): NextResponse | undefined {
    if (this.inFlight || this.#settled === available) return undefined;
    if (this.#settled !== undefined && !changedNames(this.#settled, available).some((name) => this.wants(name))) {
      this.#settled = available;
      return undefined;
    }
    const next = this.#wholeState ? this.#nextWholeState(available, keep) : this.#nextChanges(available);
    return next === undefined ? undefined : { ...next, removed: [], requested: this.mustAnswer };
  }

  override markSent(response: NextResponse, nonce: string): void {
    super.markSent(response, nonce);
    this.#settled = undefined;
    if (this.#wholeState) {
      this.#sent.clear();
      this.refusedNames.clear();
    }
    for (const resource of response.resources) this.#sent.set(resource.name, resource);
    this.asked.clear();
    this.#lastNonce = nonce;
  }

  forget(name: string): void {
    this.#settled = undefined;
    this.#sent.delete(name);
  }

  #subscribe(requested: readonly string[]): Set<string> {
    const added = new Set<string>();
    const wasWildcard = this.wildcard;
    // No name at all means all of them, until the client has once named some: the protocol's legacy wildcard. RDS, EDS and SDS have none.
    if (requested.length > 0) this.#explicit = true;
    this.wildcard = requested.includes('*') || (this.#wholeState && !this.#explicit);
    const names = new Set(requested);
    names.delete('*');
    for (const name of names) if (!this.named.has(name)) added.add(name);
    for (const name of this.named) if (!names.has(name)) this.named.delete(name);
    for (const name of added) this.named.add(name);
    this.checkNames();
    for (const name of this.#sent.keys()) if (!this.wants(name)) this.#sent.delete(name);
    for (const name of this.refusedNames) if (!this.wants(name)) this.refusedNames.delete(name);
    if (this.wildcard && !wasWildcard) this.mustAnswer = true;
    return added;
  }

  #ask(names: ReadonlySet<string>, mustAnswer: boolean): void {
    for (const name of names) this.asked.add(name);
    this.mustAnswer ||= mustAnswer;
  }

  #nextWholeState(available: Resources, keep?: () => boolean) {
    const wanted = this.#wanted(available);
    if (this.#holds(wanted)) {
      this.#settled = available;
      return undefined;
    }
    const leaving = [...this.#sent.values()].filter(({ name }) => this.wants(name) && !available.has(name));
    if (leaving.length > 0 && keep?.()) wanted.push(...leaving);
    const changed =
      wanted.length !== this.#sent.size ||
      wanted.some((resource) => this.#sent.get(resource.name)?.version !== resource.version);
    if (changed || this.mustAnswer) return { resources: wanted, version: versionOfAll(wanted), retry: false };
    if (leaving.length === 0) this.#settled = available;
    return undefined;
  }

  /** Does a client that came back have just this? Then it counts as sent and accepted. */
  #holds(wanted: readonly EncodedResource[]): boolean {
    const version = this.#heldVersion;
    this.#heldVersion = '';
    if (version === '' || version !== versionOfAll(wanted)) return false;
    for (const resource of wanted) this.#sent.set(resource.name, resource);
    this.asked.clear();
    this.mustAnswer = false;
    this.sentVersion = version;
    this.ackedVersion = version;
    return true;
  }

  #nextChanges(available: Resources) {
    // What is gone cannot be said in this variant; should it come back, it is sent again.
    for (const name of this.#sent.keys()) if (!available.has(name)) this.#sent.delete(name);
    this.forgetRefused(available);
    const retried = this.retried();
    const wanted = this.#wanted(available);
    const changed = wanted.filter(
      (resource) =>
        this.asked.has(resource.name) ||
        (this.#sent.get(resource.name)?.version !== resource.version && !retried.has(resource.name)),
    );
    if (changed.length > 0 || this.mustAnswer)
      return { resources: changed, version: versionOfAll(wanted), retry: false };
    const again = this.nextRetry((names) => {
      const resources = names.map((name) => available.get(name)).filter((resource) => resource !== undefined);
      return resources.length > 0 ? resources : undefined;
    });
    if (again !== undefined) return { resources: again, version: versionOfAll(wanted), retry: true };
    this.forgetRefusal();
    this.#settled = available;
    return undefined;
  }

  #wanted(available: Resources): EncodedResource[] {
    if (this.wildcard) return [...available.values()];
    const wanted: EncodedResource[] = [];
    for (const name of this.named) {
      const resource = available.get(name);
      if (resource !== undefined) wanted.push(resource);
    }
    return wanted;
  }
}

function versionOfAll(resources: readonly EncodedResource[]): string {
  return SetVersion.of(resources.map(({ version }) => version)).toString();
}

/** The state-of-the-world variant of the protocol. */
export const stateOfTheWorld: ProtocolVariant<DiscoveryRequest, DiscoveryResponse> = {
  name: 'state of the world',
  subscribe: (typeUrl) => new StateOfTheWorldSubscription(typeUrl),
  response: (typeUrl, { resources, version }, nonce) =>
    create(DiscoveryResponseSchema, {
      typeUrl,
      versionInfo: version,
      nonce,
      resources: resources.map(({ any }) => any),
    }),
};
