// What one client wants of one xDS type and what became of what it was sent: the part that both variants of the protocol share.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol

import { type EncodedResource, subscribedName, type TypeUrl } from './resources.ts';

/**
 * What a request turned out to be: `ack` and `nack` answer our last response, `narrowed` refuses a part of what was refused already,
 * `subscribe` asks for names (and answers nothing), `stale` belongs to a response that has been superseded and accepts or refuses nothing.
 */
export type RequestKind = 'ack' | 'nack' | 'narrowed' | 'subscribe' | 'stale';

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
  /** Names that are gone, or do not exist. Only the incremental variant can say so. */
  readonly removed: readonly string[];
  /** Of all the client has of the type once it took this. */
  readonly version: string;
  /** The client asked (first request, new names), rather than the configuration having changed. */
  readonly requested: boolean;
  /** A part of what was refused, tried again. */
  readonly retry: boolean;
}

/** The resources of one type, by name. */
export type Resources = ReadonlyMap<string, EncodedResource>;

export const NOTHING: Resources = new Map();

/** A client subscribed to more names than are kept for it. */
export class TooManyNamesError extends Error {
  constructor(names: number) {
    super(`subscribed to ${names} names of one type: at most ${MAX_NAMES} are served`);
  }
}

/** Per type and client. Far above any configuration, and far below what would hurt the other clients. */
const MAX_NAMES = 500_000;

/**
 * After so many refusals of parts of one response, with nothing accepted in between, the client is taken to refuse all of it. It suffices to find
 * some thirty bad resources among any number.
 */
const MAX_REFUSALS_IN_A_ROW = 64;

/** One type on one stream. At most one response is under way at a time; what changes meanwhile is sent, in its newest state, after the answer. */
export abstract class Subscription<Request> {
  readonly typeUrl: TypeUrl;
  protected wildcard = false;
  protected readonly named = new Set<string>();
  /** Names (re-)requested since they were last sent; they are answered even where nothing changed. */
  protected readonly asked = new Set<string>();
  protected mustAnswer = false;
  /** Names whose last content was refused when it was sent alone. */
  protected readonly refusedNames = new Set<string>();
  /** Halves of a refused response, to be tried apart, so that one bad resource does not keep the good ones away. */
  #retries: string[][] = [];
  #refusalsInARow = 0;
  #inFlight: { nonce: string; version: string; names: readonly string[]; retry: boolean } | undefined;
  sentVersion = '';
  ackedVersion = '';
  /** The last refusal, as long as something of it stands. */
  refusal: Refusal | undefined;

  constructor(typeUrl: TypeUrl) {
    this.typeUrl = typeUrl;
  }

  /** How many resources the client was last known to be sent. */
  abstract get count(): number;

  /** The version of a resource that the client was last sent, accepted or not. */
  abstract versionOf(name: string): string | undefined;

  /** Takes a request of this type. For a `nack`, `refusal` then says what was refused. */
  abstract receive(request: Request): RequestKind;

  /**
   * The response that brings the client to `available`, or nearer, or undefined where it has it all, or has not answered the last one yet.
   * @param keep asked where something is gone from `available`: whether the client is to keep it for now
   */
  abstract next(available?: Resources, keep?: () => boolean): NextResponse | undefined;

  /** Forgets that a resource was sent: the client needs it once more. */
  abstract forget(name: string): void;

  /** The response was written, under this nonce. */
  markSent(response: NextResponse, nonce: string): void {
    const names = [...response.resources.map(({ name }) => name), ...response.removed];
    for (const name of names) {
      this.refusedNames.delete(name);
      this.asked.delete(name);
    }
    this.mustAnswer = false;
    if (response.retry) this.#retries.shift();
    else this.#refusalsInARow = 0;
    this.#inFlight = { nonce, version: response.version, names, retry: response.retry };
    this.sentVersion = response.version;
  }

  /** The subscribed names, or '*'. */
  get names(): ReadonlySet<string> | '*' {
    return this.wildcard ? '*' : this.named;
  }

  /** A response waits for its ACK or NACK. */
  get inFlight(): boolean {
    return this.#inFlight !== undefined;
  }

  /** The client's state of this type is not yet, or not entirely, what was sent to it. */
  get unsettled(): boolean {
    return this.inFlight || this.#retries.length > 0 || this.refusedNames.size > 0;
  }

  /** The nonce of the response under way. */
  protected get nonceInFlight(): string | undefined {
    return this.#inFlight?.nonce;
  }

  protected wants(name: string): boolean {
    return this.wildcard || this.named.has(subscribedName(this.typeUrl, name));
  }

  protected checkNames(): void {
    if (this.named.size > MAX_NAMES) throw new TooManyNamesError(this.named.size);
  }

  /**
   * The client accepted the response under way, or refused it.
   * @param apart whether the resources of a refused response can be tried apart
   */
  protected answered(error: string | undefined, apart: boolean): RequestKind {
    const answered = this.#inFlight;
    if (answered === undefined) return 'subscribe';
    this.#inFlight = undefined;
    if (error === undefined) {
      this.ackedVersion = answered.version;
      this.#refusalsInARow = 0;
      if (!apart) this.refusedNames.clear();
      this.forgetRefusal();
      return 'ack';
    }
    this.refusal = { version: answered.version, resources: answered.names, message: error };
    this.#refusalsInARow += 1;
    if (apart && answered.names.length > 1 && this.#refusalsInARow < MAX_REFUSALS_IN_A_ROW) {
      const half = answered.names.length >> 1;
      this.#retries.push(answered.names.slice(0, half), answered.names.slice(half));
      return answered.retry ? 'narrowed' : 'nack';
    }
    const refused = [answered.names];
    if (this.#refusalsInARow >= MAX_REFUSALS_IN_A_ROW) refused.push(...this.#retries.splice(0));
    for (const names of refused) for (const name of names) if (this.wants(name)) this.refusedNames.add(name);
    return 'nack';
  }

  /** Names that wait to be tried apart. */
  protected retried(): ReadonlySet<string> {
    return new Set(this.#retries.flat());
  }

  /**
   * The next part of a refused response to try apart. It stays the next one until it is marked as sent.
   * @param build what to send of these names; undefined where nothing is left of them
   */
  protected nextRetry<Part>(build: (names: readonly string[]) => Part | undefined): Part | undefined {
    for (let names = this.#retries[0]; names !== undefined; names = this.#retries[0]) {
      const part = build(names.filter((name) => this.wants(name)));
      if (part !== undefined) return part;
      this.#retries.shift();
    }
    return undefined;
  }

  /** What is gone is no longer refused. */
  protected forgetRefused(available: Resources): void {
    for (const name of this.refusedNames) if (!available.has(name)) this.refusedNames.delete(name);
    this.forgetRefusal();
  }

  /** A refusal is over once nothing that was refused is wanted any more. */
  protected forgetRefusal(): void {
    if (this.#retries.length === 0 && this.refusedNames.size === 0) this.refusal = undefined;
  }
}
