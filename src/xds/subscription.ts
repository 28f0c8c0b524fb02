// What one client wants of one xDS type and what it has been sent: the state-of-the-world protocol without the sockets.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol

import { createHash } from 'node:crypto';
import type { DiscoveryRequest } from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { type EncodedResource, TypeUrl } from './resources.ts';

/**
 * What a request turned out to be: `ack` and `nack` answer our last response, `subscribe` asks for names (and answers nothing),
 * `stale` belongs to a response that has been superseded and accepts or refuses nothing.
 */
export type RequestKind = 'ack' | 'nack' | 'subscribe' | 'stale';

/** A response that was refused. */
export interface Refusal {
  readonly version: string;
  /** The names in the refused response. */
  readonly resources: readonly string[];
  /** The client's words (`error_detail.message`). */
  readonly message: string;
}

/** What is to be sent next. */
export interface NextResponse {
  readonly resources: readonly EncodedResource[];
  readonly version: string;
  /** The client asked (first request, new names), rather than the configuration having changed. */
  readonly requested: boolean;
}

type Resources = ReadonlyMap<string, EncodedResource>;

const NOTHING: Resources = new Map();

/** One type on one stream. */
export class Subscription {
  readonly typeUrl: TypeUrl;
  /** LDS and CDS responses are the whole state, so that leaving a resource out removes it. The others carry what changed. */
  readonly #wholeState: boolean;
  #wildcard = false;
  #explicit = false;
  #names = new Set<string>();
  /** What the client was last sent under each name, accepted or not: the same bytes are never sent twice unasked. */
  #sent = new Map<string, EncodedResource>();
  /** Names (re-)requested since the last response; they are answered even where nothing changed. */
  #asked = new Set<string>();
  #mustAnswer = false;
  /** Halves of a refused response, to be tried apart, so that one bad resource does not keep the good ones away. */
  #retries: string[][] = [];
  #refusedNames = new Set<string>();
  #inFlight: { nonce: string; version: string; names: string[] } | undefined;
  #lastNonce = '';
  sentVersion = '';
  ackedVersion = '';
  /** The last refusal, as long as something of it stands. */
  refusal: Refusal | undefined;

  constructor(typeUrl: TypeUrl) {
    this.typeUrl = typeUrl;
    this.#wholeState = typeUrl === TypeUrl.Listener || typeUrl === TypeUrl.Cluster;
  }

  /** The subscribed names, or '*'. */
  get names(): ReadonlySet<string> | '*' {
    return this.#wildcard ? '*' : this.#names;
  }

  /** A response waits for its ACK or NACK. */
  get inFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** What the client was last sent. */
  get sent(): Resources {
    return this.#sent;
  }

  /** The client's state of this type is not yet, or not entirely, what was sent to it. */
  get unsettled(): boolean {
    return this.inFlight || this.#retries.length > 0 || this.#refusedNames.size > 0;
  }

  /** Takes a request of this type. For a `nack`, `refusal` then says what was refused. */
  receive(request: DiscoveryRequest): RequestKind {
    if (request.responseNonce === '') {
      const added = this.#subscribe(request.resourceNames);
      // Asked again from scratch (with nothing under way that will answer): everything is wanted, not only what is new.
      if (!this.inFlight) for (const name of this.#names) added.add(name);
      this.#ask(added, !this.inFlight && (this.#wildcard || added.size > 0));
      return 'subscribe';
    }
    if (request.responseNonce !== this.#lastNonce) {
      // It answers nothing. But the names are what the client wants by now, and a name it dropped and took up again while
      // our response is under way would otherwise never be sent again.
      if (this.inFlight) this.#ask(this.#subscribe(request.resourceNames), false);
      return 'stale';
    }
    const answered = this.#inFlight;
    this.#inFlight = undefined;
    const added = this.#subscribe(request.resourceNames);
    this.#ask(added, added.size > 0);
    if (answered === undefined) return 'subscribe';
    if (request.errorDetail === undefined) {
      this.ackedVersion = answered.version;
      if (this.#wholeState) this.#refusedNames.clear();
      this.#forgetRefusal();
      return 'ack';
    }
    this.refusal = { version: answered.version, resources: answered.names, message: request.errorDetail.message };
    if (!this.#wholeState && answered.names.length > 1) {
      const half = answered.names.length >> 1;
      this.#retries.push(answered.names.slice(0, half), answered.names.slice(half));
    } else {
      for (const name of answered.names) if (this.#wildcard || this.#names.has(name)) this.#refusedNames.add(name);
    }
    return 'nack';
  }

  /** The response that brings the client to `available`, or undefined where it has it all, or has not answered the last one yet. */
  next(available: Resources = NOTHING): NextResponse | undefined {
    if (this.#inFlight !== undefined) return undefined;
    const resources = this.#wholeState ? this.#nextWholeState(available) : this.#nextChanges(available);
    if (resources === undefined) return undefined;
    return { resources, version: this.#versionOf(available), requested: this.#mustAnswer };
  }

  /** The response was written, under this nonce. */
  markSent(response: NextResponse, nonce: string): void {
    const names = response.resources.map((resource) => resource.name);
    if (this.#wholeState) this.#sent.clear();
    for (const resource of response.resources) {
      this.#sent.set(resource.name, resource);
      this.#refusedNames.delete(resource.name);
    }
    if (this.#wholeState) this.#refusedNames.clear();
    this.#asked.clear();
    this.#mustAnswer = false;
    this.#inFlight = { nonce, version: response.version, names };
    this.#lastNonce = nonce;
    this.sentVersion = response.version;
  }

  /** Forgets that a resource was sent: the client needs it once more. */
  forget(name: string): void {
    this.#sent.delete(name);
  }

  #subscribe(requested: readonly string[]): Set<string> {
    const added = new Set<string>();
    const wasWildcard = this.#wildcard;
    // No name at all means all of them, until the client has once named some: the protocol's legacy wildcard. RDS, EDS and SDS have none.
    if (requested.length > 0) this.#explicit = true;
    this.#wildcard = requested.includes('*') || (this.#wholeState && !this.#explicit);
    const names = new Set(requested);
    names.delete('*');
    for (const name of names) if (!this.#names.has(name)) added.add(name);
    for (const name of this.#sent.keys()) if (!this.#wildcard && !names.has(name)) this.#sent.delete(name);
    for (const name of this.#refusedNames) if (!this.#wildcard && !names.has(name)) this.#refusedNames.delete(name);
    this.#names = names;
    if (this.#wildcard && !wasWildcard) this.#mustAnswer = true;
    return added;
  }

  #ask(names: ReadonlySet<string>, mustAnswer: boolean): void {
    for (const name of names) this.#asked.add(name);
    this.#mustAnswer ||= mustAnswer;
  }

  // A refusal is over once nothing that was refused is wanted any more.
  #forgetRefusal(): void {
    if (this.#retries.length === 0 && this.#refusedNames.size === 0) this.refusal = undefined;
  }

  #nextWholeState(available: Resources): EncodedResource[] | undefined {
    const wanted = this.#wanted(available);
    const changed =
      wanted.length !== this.#sent.size ||
      wanted.some((resource) => this.#sent.get(resource.name)?.version !== resource.version);
    return changed || this.#mustAnswer ? wanted : undefined;
  }

  #nextChanges(available: Resources): EncodedResource[] | undefined {
    // What is gone cannot be said in this protocol; should it come back, it is sent again.
    for (const name of this.#sent.keys()) if (!available.has(name)) this.#sent.delete(name);
    for (const name of this.#refusedNames) if (!available.has(name)) this.#refusedNames.delete(name);
    this.#forgetRefusal();
    const retried = new Set(this.#retries.flat());
    const changed = this.#wanted(available).filter(
      (resource) =>
        this.#asked.has(resource.name) ||
        (this.#sent.get(resource.name)?.version !== resource.version && !retried.has(resource.name)),
    );
    if (changed.length > 0 || this.#mustAnswer) return changed;
    for (let names = this.#retries.shift(); names !== undefined; names = this.#retries.shift()) {
      const again = names
        .map((name) => available.get(name))
        .filter((resource) => resource !== undefined && (this.#wildcard || this.#names.has(resource.name)));
      if (again.length > 0) return again as EncodedResource[];
    }
    this.#forgetRefusal();
    return undefined;
  }

  #wanted(available: Resources): EncodedResource[] {
    if (this.#wildcard) return [...available.values()];
    const wanted: EncodedResource[] = [];
    for (const name of this.#names) {
      const resource = available.get(name);
      if (resource !== undefined) wanted.push(resource);
    }
    return wanted;
  }

  // From the content, not a counter: after a restart of the control plane equal configuration has equal versions, and two
  // clients (or two dumps) with equal versions have equal configuration.
  #versionOf(available: Resources): string {
    const hash = createHash('sha256');
    const lines = this.#wanted(available).map((resource) => `${resource.name}\0${resource.version}\n`);
    for (const line of lines.sort()) hash.update(line);
    return hash.digest('base64url').slice(0, 16);
  }
}
