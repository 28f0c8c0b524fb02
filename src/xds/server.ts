// The ADS server: tells each connected node what it is to have, over gRPC.

import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { nodeName } from './node-name.ts';
import type { ResourceSet } from './resources.ts';
import {
  type AggregatedDiscoveryHandlers,
  aggregatedDiscoveryService,
  KEEPALIVE_OPTIONS,
  MAX_MESSAGE_BYTES,
} from './service.ts';
import { ClientStream, type SubscriptionStatus, WARMING_LIMIT_MS } from './stream.ts';

export interface AdsServerOptions {
  /**
   * What a node is to have. Called when it connects and at each push(); throws where the node is not one to serve (a
   * malformed id), which ends its stream with INVALID_ARGUMENT.
   */
  resourcesFor: (node: Node) => ResourceSet;
  log: Logger;
  /** How long listeners and routes wait for clusters and endpoints to be accepted. Default WARMING_LIMIT_MS. */
  warmingLimitMs?: number;
}

/** A connected node. */
export interface ClientStatus {
  readonly node: Node;
  /** `ip:port` of the client. */
  readonly address: string;
  readonly connectedAt: Date;
  readonly subscriptions: readonly SubscriptionStatus[];
}

/** How long close() lets clients hang up by themselves before it cuts the connections. */
const CLOSE_GRACE_MS = 500;

type Call = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;

/** Serves envoy.service.discovery.v3.AggregatedDiscoveryService, state of the world, in plain text. */
export class AdsServer {
  readonly #options: AdsServerOptions;
  readonly #server: Server;
  readonly #streams = new Map<Call, { stream: ClientStream; address: string; connectedAt: Date }>();
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
      streamAggregatedResources: (call) => this.#accept(call),
      deltaAggregatedResources: (call) => {
        call.emit('error', {
          code: status.UNIMPLEMENTED,
          details: 'incremental xDS is not served: use StreamAggregatedResources (api_type GRPC)',
        });
      },
    };
    this.#server.addService(aggregatedDiscoveryService, handlers as unknown as Record<string, UntypedHandleCall>);
  }

  /**
   * Starts to listen.
   * @param address `host:port`; port 0 takes a free one
   * @returns the port. Rejects where the address is taken or not one of this machine.
   */
  listen(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(new Error(`xDS server cannot listen on ${address}: ${error.message}`, { cause: error }));
      });
    });
  }

  /** What resourcesFor answers may have changed: every connected node is sent what is new to it. */
  push(): void {
    for (const { stream } of this.#streams.values()) stream.push();
  }

  /** The connected nodes and what they have accepted, in the order they connected. */
  clients(): ClientStatus[] {
    return [...this.#streams.values()].map(({ stream, address, connectedAt }) => ({
      node: stream.node,
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

  #accept(call: Call): void {
    const { log } = this.#options;
    this.#calls.add(call);
    // At once, so that a client knows it is connected before there is anything to send.
    call.sendMetadata(new Metadata());
    call.on('data', (request: DiscoveryRequest) => this.#receive(call, request));
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

  #receive(call: Call, request: DiscoveryRequest): void {
    if (!this.#calls.has(call)) return;
    try {
      (this.#streams.get(call)?.stream ?? this.#open(call, request))?.receive(request);
    } catch (error) {
      // A fault of ours must not take the other clients along: this one reconnects.
      this.#options.log.error({ address: call.getPeer(), err: error }, 'ADS stream failed');
      this.#refuse(call, status.INTERNAL, 'internal error, see the log of the control plane');
    }
  }

  #open(call: Call, request: DiscoveryRequest): ClientStream | undefined {
    const { log, resourcesFor, warmingLimitMs = WARMING_LIMIT_MS } = this.#options;
    const address = call.getPeer();
    const { node } = request;
    try {
      if (node === undefined) throw new Error('the first request of a stream carries no node');
      const stream = new ClientStream({
        node,
        log,
        resourcesFor,
        warmingLimitMs,
        nonce: () => `${this.#instance}-${++this.#responses}`,
        send: (response) => call.write(create(DiscoveryResponseSchema, response)),
      });
      this.#streams.set(call, { stream, address, connectedAt: new Date() });
      log.info({ node: nodeName(node.id), address }, 'node connected');
      return stream;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.warn({ node: node?.id, address, reason }, 'node refused');
      this.#refuse(call, status.INVALID_ARGUMENT, reason);
      return undefined;
    }
  }

  #refuse(call: Call, code: status, details: string): void {
    this.#forget(call);
    call.emit('error', { code, details });
  }

  #forget(call: Call): void {
    this.#calls.delete(call);
    const entry = this.#streams.get(call);
    if (entry === undefined) return;
    this.#streams.delete(call);
    entry.stream.close();
    this.#options.log.info({ node: nodeName(entry.stream.node.id), address: entry.address }, 'node disconnected');
  }
}
