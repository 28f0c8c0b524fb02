// For tests of the incremental variant: a client whose every word the test says.

import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, type status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { NodeSchema } from './gen/envoy/config/core/v3/base_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { shortTypeName, TypeUrl } from './resources.ts';
import { aggregatedDiscoveryService, MAX_MESSAGE_BYTES } from './service.ts';
import { closers } from './test-support.ts';

type Init = MessageInitShape<typeof DeltaDiscoveryRequestSchema>;

/** A client that speaks the protocol word by word. */
export class ScriptedClient {
  readonly #call: ClientDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  readonly #responses: DeltaDiscoveryResponse[] = [];
  readonly ended: Promise<{ code: status; details: string }>;
  #waiting: ((response: DeltaDiscoveryResponse) => void) | undefined;
  #barriers = 0;

  constructor(port: number) {
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    });
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
    this.#call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#call.on('error', () => {});
    this.ended = new Promise((resolve) => this.#call.on('status', resolve));
    closers.push(() => {
      this.#call.cancel();
      client.close();
    });
  }

  request(typeUrl: string, init: Init = {}): void {
    this.#call.write(
      create(DeltaDiscoveryRequestSchema, { typeUrl, node: create(NodeSchema, { id: 'node-1' }), ...init }),
    );
  }

  subscribe(typeUrl: string, ...resourceNamesSubscribe: string[]): void {
    this.request(typeUrl, { resourceNamesSubscribe });
  }

  unsubscribe(typeUrl: string, ...resourceNamesUnsubscribe: string[]): void {
    this.request(typeUrl, { resourceNamesUnsubscribe });
  }

  ack({ typeUrl, nonce }: DeltaDiscoveryResponse, init: Init = {}): void {
    this.request(typeUrl, { responseNonce: nonce, ...init });
  }

  nack(response: DeltaDiscoveryResponse, message: string): void {
    this.ack(response, { errorDetail: { code: 13, message } });
  }

  next(): Promise<DeltaDiscoveryResponse> {
    // Only a client that asks reads.
    if (this.#call.listenerCount('data') === 0)
      this.#call.on('data', (response: DeltaDiscoveryResponse) => {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        if (waiting === undefined) this.#responses.push(response);
        else waiting(response);
      });
    const response = this.#responses.shift();
    if (response !== undefined) return Promise.resolve(response);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** The next response, accepted. */
  async take(): Promise<DeltaDiscoveryResponse> {
    const response = await this.next();
    this.ack(response);
    return response;
  }

  /** Refuses every response that has a resource in it, and accepts the others. @returns the names that came in these, once they are so many */
  async takeAllBut(bad: string, count: number): Promise<string[]> {
    const accepted = new Set<string>();
    for (let left = 9; left > 0 && accepted.size < count; left -= 1) {
      const response = await this.next();
      const carried = response.resources.map(({ name }) => name);
      if (carried.includes(bad)) this.nack(response, `${bad} is bad`);
      else {
        for (const name of carried) accepted.add(name);
        this.ack(response);
      }
    }
    return [...accepted].sort();
  }

  /** Resolves once the server has handled what was sent; fails where it had answered anything. Uses SDS, which the test must not. */
  async expectSilence(): Promise<void> {
    this.subscribe(TypeUrl.Secret, `barrier-${++this.#barriers}`);
    expect(spell(await this.take())).toBe(`SDS -barrier-${this.#barriers}`);
  }

  hangUp(): void {
    this.#call.cancel();
  }
}

/** `CDS a b -c`: the type of a response, the names in it, and those it removes. */
export function spell({ typeUrl, resources, removedResources }: DeltaDiscoveryResponse): string {
  const names = resources.map((resource) => resource.name);
  return [shortTypeName(typeUrl), ...names, ...removedResources.map((name) => `-${name}`)].join(' ');
}
