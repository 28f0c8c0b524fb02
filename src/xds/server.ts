// The ADS server: tells each connected node what it is to have, over gRPC.

import { randomUUID } from 'node:crypto';
import { Metadata, Server, type ServerDuplexStream, status, type UntypedHandleCall } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { delta } from './delta.ts';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import { nodeName } from './node-name.ts';
import type { NodeResources } from './resources.ts';
import {
  type AggregatedDiscoveryHandlers,
  aggregatedDiscoveryService,
  KEEPALIVE_OPTIONS,
  MAX_MESSAGE_BYTES,
} from './service.ts';
import { stateOfTheWorld } from './state-of-the-world.ts';
import {
  ClientStream,
  type ProtocolVariant,
  type SubscriptionStatus,
  WARMING_LIMIT_MS,
  type XdsRequest,
} from './stream.ts';
import { TooManyNamesError } from './subscription.ts';
import { checkPlainText, type ServerTls, serverCredentials } from './tls.ts';

export interface AdsServerOptions {
  /**
   * What a node is to have. Called when it connects and at each push(); throws where the node is not one to serve (a
   * malformed id), which ends its stream with INVALID_ARGUMENT.
   */
  resourcesFor: (node: Node) => NodeResources;
  /** Called once when the stream of a node (the same object as above) has ended. */
  onDisconnected?: (node: Node) => void;
  log: Logger;
  /** How long listeners and routes wait for clusters and endpoints to be accepted. Default WARMING_LIMIT_MS. */
  warmingLimitMs?: number;
}

/** A connected node. */
export interface ClientStatus {
  readonly node: Node;
  /** How it speaks xDS. */
  readonly variant: ProtocolVariant<never, unknown>['name'];
  /** `ip:port` of the client. */
  readonly address: string;
  readonly connectedAt: Date;
  readonly subscriptions: readonly SubscriptionStatus[];
}

/** How long close() lets clients hang up by themselves before it cuts the connections. */
const CLOSE_GRACE_MS = 500;

/** The server's end of a stream, whatever its variant. */
type Call = Pick<ServerDuplexStream<unknown, unknown>, 'end' | 'emit' | 'getPeer'>;

/** A stream whose node is known. */
interface Client {
  readonly stream: Pick<ClientStream<never, unknown>, 'node' | 'push' | 'status' | 'close'>;
  readonly variant: ClientStatus['variant'];
  readonly address: string;
  readonly connectedAt: Date;
}

/**
 * Serves envoy.service.discovery.v3.AggregatedDiscoveryService, state of the world and incremental.
 * A client that does not answer has at most one response of each type waiting for it, and then gets the newest state; no other client waits for it.
 */
export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #server: Server;
  readonly #clients = new Map<Call, Client>();
  readonly #calls = new Set<Call>();
  readonly #instance = randomUUID().slice(0, 8);
  #responses = 0;

  constructor(options: AdsServerOptions) {
    this.#options = options;
    this.#server = new Server({
      ...KEEPALIVE_OPTIONS,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
      'grpc.max_send_message_length': -1,
    });
    const handlers: AggregatedDiscoveryHandlers = {
      streamAggregatedResources: (call) => this.#accept(call, stateOfTheWorld),
      deltaAggregatedResources: (call) => this.#accept(call, delta),
    };
    this.#server.addService(aggregatedDiscoveryService, handlers as unknown as Record<string, UntypedHandleCall>);
  }

  /**
   * Starts to listen.
   * @param address `host:port`; port 0 takes a free one
   * @param options with `tls` it speaks TLS only; without, plain text, and on loopback addresses only, since resources hold private keys
   * @returns the port. Rejects where the address is taken, not one of this machine, or not loopback without TLS.
   */
  async listen(address: string, options: { tls?: ServerTls } = {}): Promise<number> {
    if (options.tls === undefined) checkPlainText(address);
    const credentials = serverCredentials(options.tls);
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => {
        if (error === null) resolve(port);
        else reject(new Error(`xDS server cannot listen on ${address}: ${error.message}`, { cause: error }));
      });
    });
  }

  /** What resourcesFor answers may have changed: every connected node is sent what is new to it. */
  push(): void {
    for (const [call, { stream }] of this.#clients) {
      try {
        stream.push();
      } catch (error) {
        this.#failed(call, error);
      }
    }
  }

  /** The connected nodes and what they have accepted, in the order they connected. */
  clients(): ClientStatus[] {
    return [...this.#clients.values()].map(({ stream, variant, address, connectedAt }) => ({
      node: stream.node,
      variant,
      address,
      connectedAt,
      subscriptions: stream.status(),
    }));
  }

  /** Ends every stream (clients go on with what they have) and stops listening. */
  async close(): Promise<void> {
    for (const call of this.#calls) call.end();
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => this.#server.forceShutdown(), CLOSE_GRACE_MS);
      this.#server.tryShutdown(() => {
        clearTimeout(cut);
        resolve();
      });
    });
  }

  #accept<Request extends XdsRequest, Response>(
    call: ServerDuplexStream<Request, Response>,
    variant: ProtocolVariant<Request, Response>,
  ): void {
    const { log } = this.#options;
    this.#calls.add(call);
    let stream: ClientStream<Request, Response> | undefined;
    // At once, so that a client knows it is connected before there is anything to send.
    call.sendMetadata(new Metadata());
    call.on('data', (request: Request) => {
      if (!this.#calls.has(call)) return;
      try {
        stream ??= this.#open(call, variant, request);
        stream?.receive(request);
      } catch (error) {
        this.#failed(call, error);
      }
    });
    call.on('end', () => {
      this.#forget(call);
      call.end();
    });
    call.on('cancelled', () => this.#forget(call));
    call.on('error', (error) => {
      log.debug({ address: call.getPeer(), err: error }, 'ADS stream failed');
      this.#forget(call);
    });
  }

  #open<Request extends XdsRequest, Response>(
    call: ServerDuplexStream<Request, Response>,
    variant: ProtocolVariant<Request, Response>,
    request: Request,
  ): ClientStream<Request, Response> | undefined {
    const { log, resourcesFor, warmingLimitMs = WARMING_LIMIT_MS } = this.#options;
    const address = call.getPeer();
    const { node } = request;
    try {
      if (node === undefined) throw new Error('the first request of a stream carries no node');
      const stream = new ClientStream({
        variant,
        node,
        log,
        resourcesFor,
        warmingLimitMs,
        nonce: () => `${this.#instance}-${++this.#responses}`,
        send: (response) => call.write(response),
      });
      this.#clients.set(call, { stream, variant: variant.name, address, connectedAt: new Date() });
      log.info({ node: nodeName(node.id), address, xds: variant.name }, 'node connected');
      return stream;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ node: node?.id, address, reason }, 'node refused');
      this.#refuse(call, status.INVALID_ARGUMENT, reason);
      return undefined;
    }
  }

  #failed(call: Call, error: unknown): void {
    const { log } = this.#options;
    if (error instanceof TooManyNamesError) {
      log.warn({ address: call.getPeer(), reason: error.message }, 'node refused');
      this.#refuse(call, status.RESOURCE_EXHAUSTED, error.message);
      return;
    }
    // A fault of ours must not take the other clients along: this one reconnects.
    log.error({ address: call.getPeer(), err: error }, 'ADS stream failed');
    this.#refuse(call, status.INTERNAL, 'internal error, see the log of the control plane');
  }

  #refuse(call: Call, code: status, details: string): void {
    this.#forget(call);
    call.emit('error', { code, details });
  }

  #forget(call: Call): void {
    this.#calls.delete(call);
    const client = this.#clients.get(call);
    if (client === undefined) return;
    this.#clients.delete(call);
    client.stream.close();
    this.#options.log.info({ node: nodeName(client.stream.node.id), address: client.address }, 'node disconnected');
    this.#options.onDisconnected?.(client.stream.node);
  }
}
