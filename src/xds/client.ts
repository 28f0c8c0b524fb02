// The ADS client: one stream to a control plane that is re-established for ever, and a callback for each response.

import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type ChannelCredentials, Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { asBuffer } from './as-buffer.ts';
import {
  type ClientVariant,
  deltaClient,
  type Received,
  secretsClient,
  stateOfTheWorldClient,
} from './client-variants.ts';
import { leadingName } from './decode-route-configuration.ts';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import { ResourceSchema } from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { PUSH_ORDER, shortTypeName, subscribedName, TypeUrl } from './resources.ts';
import { decodeResource, isTypeUrl, type ResourceMessage, resourceName } from './schemas.ts';
import { KEEPALIVE_OPTIONS, MAX_MESSAGE_BYTES } from './service.ts';
import { type ClientTls, clientCredentials } from './tls.ts';

/** A resource of a response. */
export interface DecodedResource {
  readonly name: string;
  /** Of the type the response is for. While its bytes stay the same this stays the same object, also across reconnects: compare by identity. */
  readonly message: ResourceMessage;
  readonly any: Any;
  /** Its own in the incremental variant, that of the response in the other. */
  readonly version: string;
}

export interface AdsClientOptions {
  /** `host:port` of the control plane, or `unix:PATH`. */
  target: string;
  /** `ads` (default): the aggregated service. `secrets`: SecretDiscoveryService, which Istio's agent and SPIRE serve. */
  service?: 'ads' | 'secrets';
  /** Who we are; sent with the first request of each stream. */
  node: Node;
  log: Logger;
  /** Plain text without. */
  tls?: ClientTls;
  /**
   * `delta` (default): incremental; a server that does not know it (UNIMPLEMENTED) is spoken to in state of the world until the connection is
   * lost. `state of the world`: that alone.
   */
  variant?: 'delta' | 'state of the world';
  /**
   * Called for each response.
   * Returning accepts (ACK); throwing refuses (NACK) with the error's message, and the caller keeps what it had. Subscriptions made in here are
   * sent before the ACK, as Envoy does. A promise (workers that must bind their ports) delays the answer; the next response waits until it settled.
   * @param resources what is new or changed; some may be as they were (in state of the world, LDS and CDS responses hold all there is)
   * @param version of the response, for logs
   * @param removed names that are gone, or do not exist. In state of the world only LDS and CDS can tell. Names may come again.
   */
  onResponse: (
    typeUrl: TypeUrl,
    resources: DecodedResource[],
    version: string,
    removed: string[],
  ) => void | Promise<void>;
  /** Called when the stream is established or lost. */
  onConnectionChange?: (connected: boolean) => void;
  /** 0 ≤ x < 1, for the jitter of reconnects. Default Math.random. */
  random?: () => number;
}

/** A control plane on the same machine is back within a second after a restart: try at once, and soon again. */
const FIRST_RETRY_MS = 100;
/** Envoy's upper bound of the same backoff. */
const LAST_RETRY_MS = 30_000;
/** As much of an error as Envoy sends in an error_detail. */
const MAX_ERROR_LENGTH = 4096;

/** One stream, and how it is spoken. */
interface Stream {
  readonly variant: ClientVariant;
  readonly channel: Client;
  readonly call: ClientDuplexStream<unknown, unknown>;
  /** Names that this stream was told, by type. */
  readonly told: Map<TypeUrl, ReadonlySet<string> | '*'>;
  /** Of the last response of each type. */
  readonly nonces: Map<TypeUrl, string>;
  nodeSent: boolean;
}

interface Interest {
  names: ReadonlySet<string> | '*';
  /** Of the last response that was accepted; survives reconnects. */
  version: string;
  /**
   * What the caller has by name, also across reconnects. `version` is '' where we cannot be sure which one: state of the world does not say it,
   * and of a refused response the caller may have taken some.
   */
  readonly held: Map<string, Held>;
}

interface Held {
  readonly resource: DecodedResource;
  readonly version: string;
}

/** The wait before the next attempt, in milliseconds: exponential, with jitter so that many proxies do not come back at one moment. */
export function retryDelay(failures: number, random: () => number): number {
  const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 30));
  return longest * (0.5 + random() / 2);
}

/** Holds one ADS stream. */
export class AdsClient {
  readonly #options: AdsClientOptions;
  readonly #credentials: ChannelCredentials;
  readonly #interests = new Map<TypeUrl, Interest>();
  #stream: Stream | undefined;
  #variant: ClientVariant;
  #retryTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #connected = false;
  #closed = false;
  /** The type whose response is being applied: its ACK will carry a changed subscription. */
  #applying: TypeUrl | undefined;
  /** Responses are applied one after the other, in the order they came. */
  #queue: Promise<void> = Promise.resolve();

  /** @throws Error where `tls` holds no key or certificate */
  constructor(options: AdsClientOptions) {
    this.#options = options;
    this.#credentials = clientCredentials(options.tls);
    this.#variant = this.#preferred();
  }

  /** The stream is established. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Connects, and reconnects until close(). */
  start(): void {
    if (this.#stream === undefined && this.#retryTimer === undefined && !this.#closed) this.#connect();
  }

  /**
   * Sets the names wanted of a type ('*': all, for LDS and CDS), replacing those before.
   * A request goes out where that changes anything.
   */
  subscribe(typeUrl: TypeUrl, names: Iterable<string> | '*'): void {
    const wanted: ReadonlySet<string> | '*' = names === '*' ? '*' : new Set(names);
    const interest = this.#interests.get(typeUrl);
    if (interest === undefined) {
      if (wanted !== '*' && wanted.size === 0) return;
      this.#interests.set(typeUrl, { names: wanted, version: '', held: new Map() });
    } else {
      if (sameNames(interest.names, wanted)) return;
      interest.names = wanted;
      for (const name of interest.held.keys()) if (!isWanted(typeUrl, name, wanted)) interest.held.delete(name);
    }
    if (this.#applying !== typeUrl) this.#request(typeUrl);
  }

  /** Ends the stream for good. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#drop();
  }

  #preferred(): ClientVariant {
    if (this.#options.service === 'secrets') return secretsClient;
    return this.#options.variant === 'state of the world' ? stateOfTheWorldClient : deltaClient;
  }

  #connect(): void {
    this.#retryTimer = undefined;
    const variant = this.#variant;
    // A channel of its own for each attempt: the waiting between attempts is ours alone, not also the channel's.
    const channel = new Client(this.#options.target, this.#credentials, {
      ...KEEPALIVE_OPTIONS,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
      ...(this.#options.tls?.serverName === undefined
        ? {}
        : { 'grpc.ssl_target_name_override': this.#options.tls.serverName }),
    });
    const call = variant.open(channel);
    const stream: Stream = { variant, channel, call, told: new Map(), nonces: new Map(), nodeSent: false };
    this.#stream = stream;
    // Written before the connection stands, so that the first requests leave with it.
    for (const typeUrl of PUSH_ORDER) this.#request(typeUrl);
    call.on('metadata', () => this.#setConnected(stream));
    call.on('data', (message: unknown) => {
      this.#setConnected(stream);
      this.#queue = this.#queue.then(() => this.#receive(stream, variant.read(message)));
    });
    call.on('error', () => {}); // 'status' follows and says the same
    call.on('status', ({ code, details }) => {
      if (this.#stream === stream) this.#lost(code, details);
    });
  }

  #setConnected(stream: Stream): void {
    if (this.#stream !== stream || this.#connected) return;
    this.#connected = true;
    const fields = { target: this.#options.target, xds: stream.variant.name };
    this.#options.log.info(fields, 'connected to the control plane');
    this.#options.onConnectionChange?.(true);
  }

  #lost(code: status, details: string): void {
    this.#drop();
    if (this.#closed) return;
    if (code === status.UNIMPLEMENTED && this.#variant === deltaClient) {
      this.#options.log.info({ target: this.#options.target }, 'the control plane does not speak incremental xDS');
      this.#variant = stateOfTheWorldClient;
      this.#connect();
      return;
    }
    this.#variant = this.#preferred(); // the one that comes back may be a newer one
    const delay = retryDelay(this.#failures++, this.#options.random ?? Math.random);
    const fields = { target: this.#options.target, code: status[code], reason: details, retryInMs: Math.round(delay) };
    this.#options.log.warn(fields, 'no connection to the control plane: serving what there is');
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
  }

  #drop(): void {
    const wasConnected = this.#connected;
    this.#connected = false;
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.call.cancel();
    stream?.channel.close();
    if (wasConnected) this.#options.onConnectionChange?.(false);
  }

  /** Asks for what is wanted; with `answer` it also accepts or refuses the last response. */
  #request(typeUrl: TypeUrl, answer?: { error: string | undefined }): void {
    const interest = this.#interests.get(typeUrl);
    const stream = this.#stream;
    if (interest === undefined || stream === undefined) return;
    const told = stream.told.get(typeUrl);
    // A first request for no names would be one for all.
    if (told === undefined && interest.names !== '*' && interest.names.size === 0) return;
    stream.told.set(typeUrl, interest.names);
    this.#write(stream, {
      typeUrl,
      told,
      wanted: interest.names,
      version: interest.version,
      held: interest.held,
      nonce: stream.nonces.get(typeUrl) ?? '',
      answers: answer !== undefined,
      error: answer?.error,
    });
  }

  #write(stream: Stream, ask: Omit<Parameters<ClientVariant['request']>[0], 'node'>): void {
    const node = stream.nodeSent ? undefined : this.#options.node;
    stream.nodeSent = true;
    stream.call.write(stream.variant.request({ ...ask, error: ask.error?.slice(0, MAX_ERROR_LENGTH), node }));
  }

  async #receive(stream: Stream, response: Received): Promise<void> {
    if (this.#stream !== stream) return;
    this.#failures = 0;
    const { typeUrl, nonce, version } = response;
    const interest = isTypeUrl(typeUrl) ? this.#interests.get(typeUrl) : undefined;
    if (!isTypeUrl(typeUrl) || interest === undefined) {
      const error = `${typeUrl} was not subscribed`;
      this.#options.log.warn({ typeUrl, version }, 'response refused: not subscribed');
      const nothing = { told: new Set<string>(), wanted: new Set<string>(), version: '', held: new Map() };
      this.#write(stream, { typeUrl, ...nothing, nonce, answers: true, error });
      return;
    }
    stream.nonces.set(typeUrl, nonce);
    let error: string | undefined;
    this.#applying = typeUrl;
    try {
      await this.#apply(typeUrl, interest, response);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
      this.#options.log.warn(
        { type: shortTypeName(typeUrl), version, kept: interest.version, reason: error },
        'response refused: the last good configuration stays',
      );
    } finally {
      this.#applying = undefined;
    }
    if (this.#stream === stream) this.#request(typeUrl, { error });
  }

  async #apply(typeUrl: TypeUrl, interest: Interest, response: Received): Promise<void> {
    const { names, held } = interest;
    const resources = response.resources
      .map((received) => decode(typeUrl, received, held))
      .filter((resource) => resource !== undefined)
      // A name that was dropped while the response was under way.
      .filter(({ name }) => isWanted(typeUrl, name, names));
    if (!response.ownVersions) refuseVirtualHosts(resources);
    const removed = response.removed ?? namesLeftOut(typeUrl, held, resources);
    const remember = (accepted: boolean) => {
      for (const resource of resources) {
        if (!isWanted(typeUrl, resource.name, interest.names)) continue;
        held.set(resource.name, { resource, version: accepted && response.ownVersions ? resource.version : '' });
      }
      for (const name of removed) {
        const before = held.get(name);
        if (accepted) held.delete(name);
        else if (before !== undefined) held.set(name, { ...before, version: '' });
      }
    };
    try {
      await this.#options.onResponse(typeUrl, resources, response.version, removed);
    } catch (error) {
      remember(false);
      throw error;
    }
    remember(true);
    interest.version = response.version;
  }
}

function sameNames(a: ReadonlySet<string> | '*', b: ReadonlySet<string> | '*'): boolean {
  if (a === '*' || b === '*') return a === b;
  return a.size === b.size && [...a].every((name) => b.has(name));
}

function isWanted(typeUrl: TypeUrl, name: string, names: ReadonlySet<string> | '*'): boolean {
  return names === '*' || names.has(subscribedName(typeUrl, name));
}

/** State of the world knows no names that stand for many. */
function refuseVirtualHosts(resources: readonly DecodedResource[]): void {
  for (const { name, message } of resources)
    if ('vhds' in message && message.vhds !== undefined)
      throw new Error(`RouteConfiguration ${name}: vhds: virtual hosts can be fetched over incremental xDS only`);
}

/** In state of the world, what LDS and CDS leave out is gone; the others carry what changed. */
function namesLeftOut(
  typeUrl: TypeUrl,
  held: ReadonlyMap<string, Held>,
  resources: readonly DecodedResource[],
): string[] {
  if (typeUrl !== TypeUrl.Listener && typeUrl !== TypeUrl.Cluster) return [];
  const there = new Set(resources.map(({ name }) => name));
  return [...held.keys()].filter((name) => !there.has(name));
}

/** @returns undefined for a heartbeat: a resource without content, which prolongs the life of the one before */
function decode(
  typeUrl: TypeUrl,
  received: Received['resources'][number],
  held: ReadonlyMap<string, Held>,
): DecodedResource | undefined {
  const { any, version, name: saidName } = unwrap(received);
  if (any === undefined) return undefined;
  if (any.typeUrl !== typeUrl) throw new Error(`a resource of type ${any.typeUrl} in a response of type ${typeUrl}`);
  // The name of a virtual host is not all of the name it goes by.
  const ownName = typeUrl !== TypeUrl.VirtualHost;
  const before = held.get((ownName ? leadingName(any.value) : saidName) ?? '')?.resource;
  const unchanged = before !== undefined && asBuffer(before.any.value).equals(any.value);
  const message = unchanged ? before.message : decodeResource(typeUrl, any.value, before?.message);
  const name = ownName ? resourceName(message) : saidName;
  if (saidName !== '' && saidName !== name) throw new Error(`a resource called ${saidName} holds one named ${name}`);
  return { name, message, any: unchanged ? before.any : any, version };
}

/** In state of the world too a resource may come in the wrapper that says its name. */
function unwrap(received: Received['resources'][number]): Received['resources'][number] {
  if (received.any?.typeUrl !== `type.googleapis.com/${ResourceSchema.typeName}`) return received;
  const { name, resource } = fromBinary(ResourceSchema, received.any.value);
  return { ...received, name, any: resource };
}
