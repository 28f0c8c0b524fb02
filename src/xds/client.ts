// The ADS client: one stream to a control plane that is re-established for ever, and a callback for each response.

import { create, fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { Client, type ClientDuplexStream, credentials, status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { leadingName } from './decode-route-configuration.ts';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  ResourceSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { PUSH_ORDER, shortTypeName, TypeUrl } from './resources.ts';
import { decodeResource, isTypeUrl, type ResourceMessage, resourceName } from './schemas.ts';
import { aggregatedDiscoveryService, KEEPALIVE_OPTIONS, MAX_MESSAGE_BYTES } from './service.ts';

/** A resource of a response. */
export interface DecodedResource {
  readonly name: string;
  /** Of the type the response is for. While its bytes stay the same this stays the same object, also across reconnects: compare by identity. */
  readonly message: ResourceMessage;
  readonly any: Any;
}

export interface AdsClientOptions {
  /** `host:port` of the control plane. */
  target: string;
  /** Who we are; sent with the first request of each stream. */
  node: Node;
  log: Logger;
  /**
   * Called for each response. For LDS and CDS `resources` is everything there is: what is missing was removed. For RDS, EDS and SDS it is
   * what changed or was newly subscribed; other subscribed names stay as they are. Returning accepts (ACK); throwing refuses (NACK) with the
   * error's message, and the caller keeps what it had. Subscriptions made in here are sent before the ACK, as Envoy does.
   * A promise (workers that must bind their ports) delays the answer; the next response waits until it settled.
   */
  onResponse: (typeUrl: TypeUrl, resources: DecodedResource[], version: string) => void | Promise<void>;
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

type Call = ClientDuplexStream<DiscoveryRequest, DiscoveryResponse>;

interface Interest {
  names: ReadonlySet<string> | '*';
  /** Of the last response that was accepted; survives reconnects. */
  version: string;
  /** Of the last response on this stream. */
  nonce: string;
  /** Decoded resources by name: unchanged bytes are not decoded again. */
  readonly decoded: Map<string, DecodedResource>;
}

/** The wait before the next attempt, in milliseconds: exponential, with jitter so that many proxies do not come back at one moment. */
export function retryDelay(failures: number, random: () => number): number {
  const longest = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 30));
  return longest * (0.5 + random() / 2);
}

/** Holds one ADS stream (state of the world). */
export class AdsClient {
  readonly #options: AdsClientOptions;
  readonly #interests = new Map<TypeUrl, Interest>();
  #channel: Client | undefined;
  #call: Call | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #failures = 0;
  #connected = false;
  #closed = false;
  #nodeSent = false;
  /** The type whose response is being applied: its ACK will carry a changed subscription. */
  #applying: TypeUrl | undefined;
  /** Responses are applied one after the other, in the order they came. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: AdsClientOptions) {
    this.#options = options;
  }

  /** The stream is established. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Connects, and reconnects until close(). */
  start(): void {
    if (this.#call === undefined && this.#retryTimer === undefined && !this.#closed) this.#connect();
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
      this.#interests.set(typeUrl, { names: wanted, version: '', nonce: '', decoded: new Map() });
    } else {
      if (sameNames(interest.names, wanted)) return;
      interest.names = wanted;
      if (wanted !== '*')
        for (const name of interest.decoded.keys()) if (!wanted.has(name)) interest.decoded.delete(name);
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

  #connect(): void {
    this.#retryTimer = undefined;
    // A channel of its own for each attempt: the waiting between attempts is ours alone, not also the channel's.
    const channel = new Client(this.#options.target, credentials.createInsecure(), {
      ...KEEPALIVE_OPTIONS,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.streamAggregatedResources;
    const call = channel.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#channel = channel;
    this.#call = call;
    this.#nodeSent = false;
    for (const interest of this.#interests.values()) interest.nonce = '';
    // Written before the connection stands, so that the first requests leave with it.
    const wanted = PUSH_ORDER.filter((typeUrl) => this.#interests.has(typeUrl));
    for (const typeUrl of wanted) this.#request(typeUrl);
    call.on('metadata', () => this.#setConnected(call));
    call.on('data', (response: DiscoveryResponse) => {
      this.#setConnected(call);
      this.#queue = this.#queue.then(() => this.#receive(call, response));
    });
    call.on('error', () => {}); // 'status' follows and says the same
    call.on('status', ({ code, details }) => {
      if (this.#call === call) this.#lost(code, details);
    });
  }

  #setConnected(call: Call): void {
    if (this.#call !== call || this.#connected) return;
    this.#connected = true;
    this.#options.log.info({ target: this.#options.target }, 'connected to the control plane');
    this.#options.onConnectionChange?.(true);
  }

  #lost(code: status, details: string): void {
    this.#drop();
    if (this.#closed) return;
    const delay = retryDelay(this.#failures++, this.#options.random ?? Math.random);
    const fields = { target: this.#options.target, code: status[code], reason: details, retryInMs: Math.round(delay) };
    this.#options.log.warn(fields, 'no connection to the control plane: serving what there is');
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
  }

  #drop(): void {
    const wasConnected = this.#connected;
    this.#connected = false;
    const call = this.#call;
    this.#call = undefined;
    call?.cancel();
    this.#channel?.close();
    this.#channel = undefined;
    if (wasConnected) this.#options.onConnectionChange?.(false);
  }

  #request(typeUrl: TypeUrl, error?: string): void {
    const interest = this.#interests.get(typeUrl);
    if (interest === undefined || this.#call === undefined) return;
    this.#write({
      typeUrl,
      versionInfo: interest.version,
      responseNonce: interest.nonce,
      resourceNames: interest.names === '*' ? [] : [...interest.names],
      error,
    });
  }

  #write(fields: {
    typeUrl: string;
    versionInfo: string;
    responseNonce: string;
    resourceNames: string[];
    error: string | undefined;
  }): void {
    const { error, ...request } = fields;
    const message = create(DiscoveryRequestSchema, request);
    if (!this.#nodeSent) message.node = this.#options.node;
    this.#nodeSent = true;
    if (error !== undefined)
      message.errorDetail = {
        $typeName: 'google.rpc.Status',
        code: status.INTERNAL, // Envoy's choice for a refused response
        message: error.slice(0, MAX_ERROR_LENGTH),
        details: [],
      };
    this.#call?.write(message);
  }

  async #receive(call: Call, response: DiscoveryResponse): Promise<void> {
    if (this.#call !== call) return;
    this.#failures = 0;
    const { typeUrl, nonce, versionInfo } = response;
    const interest = isTypeUrl(typeUrl) ? this.#interests.get(typeUrl) : undefined;
    if (!isTypeUrl(typeUrl) || interest === undefined) {
      const error = `${typeUrl} was not subscribed`;
      this.#options.log.warn({ typeUrl, version: versionInfo }, 'response refused: not subscribed');
      this.#write({ typeUrl, versionInfo: '', responseNonce: nonce, resourceNames: [], error });
      return;
    }
    interest.nonce = nonce;
    let error: string | undefined;
    this.#applying = typeUrl;
    try {
      const resources = response.resources.map((any) => decode(typeUrl, any, interest.decoded));
      if (typeUrl === TypeUrl.Listener || typeUrl === TypeUrl.Cluster) interest.decoded.clear();
      for (const resource of resources) interest.decoded.set(resource.name, resource);
      await this.#options.onResponse(typeUrl, resources, versionInfo);
      interest.version = versionInfo;
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
      this.#options.log.warn(
        { type: shortTypeName(typeUrl), version: versionInfo, kept: interest.version, reason: error },
        'response refused: the last good configuration stays',
      );
    } finally {
      this.#applying = undefined;
    }
    if (this.#call === call) this.#request(typeUrl, error);
  }
}

function sameNames(a: ReadonlySet<string> | '*', b: ReadonlySet<string> | '*'): boolean {
  if (a === '*' || b === '*') return a === b;
  return a.size === b.size && [...a].every((name) => b.has(name));
}

function decode(typeUrl: TypeUrl, packed: Any, known: ReadonlyMap<string, DecodedResource>): DecodedResource {
  let any = packed;
  if (any.typeUrl === `type.googleapis.com/${ResourceSchema.typeName}`) {
    const wrapped = fromBinary(ResourceSchema, any.value).resource;
    if (wrapped === undefined) throw new Error('a wrapped resource is empty');
    any = wrapped;
  }
  if (any.typeUrl !== typeUrl) throw new Error(`a resource of type ${any.typeUrl} in a response of type ${typeUrl}`);
  const before = known.get(leadingName(any.value) ?? '');
  if (before !== undefined && asBuffer(before.any.value).equals(any.value)) return before;
  const message = decodeResource(typeUrl, any.value, before?.message);
  return { name: resourceName(message), message, any };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
