// The two variants of the protocol, the client's side: how each says what is wanted, and what a response of each means.

import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { type Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import {
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { aggregatedDiscoveryService, streamSecrets } from './service.ts';

/** What a request is to say. */
export interface Ask {
  readonly typeUrl: string;
  /** With the first request of a stream. */
  readonly node: Node | undefined;
  /** What the stream asked for before; undefined on its first request of the type. */
  readonly told: ReadonlySet<string> | '*' | undefined;
  readonly wanted: ReadonlySet<string> | '*';
  /** Of the last accepted response. */
  readonly version: string;
  /** What there is already, by name. */
  readonly held: ReadonlyMap<string, { readonly version: string }>;
  /** Of the last response. */
  readonly nonce: string;
  /** It accepts the last response, or refuses it with the error. */
  readonly answers: boolean;
  readonly error: string | undefined;
}

/** A response of either variant. */
export interface Received {
  readonly typeUrl: string;
  readonly nonce: string;
  readonly version: string;
  /** `name` is '' where only the content says it; `any` is undefined where the resource is as it was. */
  readonly resources: readonly { readonly name: string; readonly any: Any | undefined; readonly version: string }[];
  /** undefined: the variant does not say it. */
  readonly removed: string[] | undefined;
  /** Each resource has a version of its own, by which the server knows it again. */
  readonly ownVersions: boolean;
}

/** A variant of the protocol. */
export interface ClientVariant {
  readonly name: 'state of the world' | 'delta';
  open(channel: Client): ClientDuplexStream<unknown, unknown>;
  request(ask: Ask): unknown;
  /** @param message a response of this variant */
  read(message: unknown): Received;
}

export const stateOfTheWorldClient: ClientVariant = {
  name: 'state of the world',
  open(channel) {
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.streamAggregatedResources;
    return channel.makeBidiStreamRequest(path, requestSerialize as (message: unknown) => Buffer, responseDeserialize);
  },
  request({ typeUrl, node, wanted, version, nonce, error }) {
    const resourceNames = wanted === '*' ? [] : [...wanted];
    const base = { typeUrl, versionInfo: version, responseNonce: nonce, resourceNames };
    return create(DiscoveryRequestSchema, { ...base, ...withNode(node), ...withError(error) });
  },
  read(message) {
    const { typeUrl, nonce, versionInfo, resources } = message as DiscoveryResponse;
    return {
      typeUrl,
      nonce,
      version: versionInfo,
      resources: resources.map((any) => ({ name: '', any, version: versionInfo })),
      removed: undefined,
      ownVersions: false,
    };
  },
};

/** A server of secrets alone. */
export const secretsClient: ClientVariant = {
  ...stateOfTheWorldClient,
  open(channel) {
    const { path, requestSerialize, responseDeserialize } = streamSecrets;
    return channel.makeBidiStreamRequest(path, requestSerialize as (message: unknown) => Buffer, responseDeserialize);
  },
};

export const deltaClient: ClientVariant = {
  name: 'delta',
  open(channel) {
    const { path, requestSerialize, responseDeserialize } = aggregatedDiscoveryService.deltaAggregatedResources;
    return channel.makeBidiStreamRequest(path, requestSerialize as (message: unknown) => Buffer, responseDeserialize);
  },
  request({ typeUrl, node, told, wanted, held, nonce, answers, error }) {
    const first = told === undefined;
    return create(DeltaDiscoveryRequestSchema, {
      typeUrl,
      // A nonce says that this is an answer; a change of the subscription has none.
      responseNonce: answers ? nonce : '',
      // All of them, on a first request, is said by naming none: every server understands that, not every one `*`.
      resourceNamesSubscribe: first && wanted === '*' ? [] : without(wanted, told ?? NONE),
      resourceNamesUnsubscribe: without(told ?? NONE, wanted),
      initialResourceVersions: first
        ? Object.fromEntries(Array.from(held, ([name, { version }]) => [name, version]))
        : {},
      ...withNode(node),
      ...withError(error),
    });
  },
  read(message) {
    const { typeUrl, nonce, systemVersionInfo, resources, removedResources } = message as DeltaDiscoveryResponse;
    return {
      typeUrl,
      nonce,
      version: systemVersionInfo,
      resources: resources.map(({ name, version, resource }) => ({ name, version, any: resource })),
      removed: removedResources,
      ownVersions: true,
    };
  },
};

const NONE: ReadonlySet<string> = new Set();

/** The names of `a` that are not in `b`. */
function without(a: ReadonlySet<string> | '*', b: ReadonlySet<string> | '*'): string[] {
  if (a === '*') return b === '*' ? [] : ['*'];
  return b === '*' ? [...a] : [...a].filter((name) => !b.has(name));
}

function withNode(node: Node | undefined) {
  return node === undefined ? {} : { node };
}

function withError(error: string | undefined) {
  // INTERNAL is Envoy's choice for a refused response.
  return error === undefined ? {} : { errorDetail: { code: status.INTERNAL, message: error } };
}
