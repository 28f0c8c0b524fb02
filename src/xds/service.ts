// The gRPC service that xDS runs over: Envoy's AggregatedDiscoveryService, its messages (de)serialised by Protobuf-ES.

import { type DescMessage, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, logVerbosity, type MethodDefinition, setLogVerbosity } from '@grpc/grpc-js';
import { asBuffer } from './as-buffer.ts';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';

// Its failures reach us as errors and statuses and are logged there; it would say them on stderr as well.
setLogVerbosity(logVerbosity.NONE);

/** What a server implements: one handler per variant of the protocol (state of the world, incremental). */
export interface AggregatedDiscoveryHandlers {
  streamAggregatedResources: handleBidiStreamingCall<DiscoveryRequest, DiscoveryResponse>;
  deltaAggregatedResources: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
}

/** envoy.service.discovery.v3.AggregatedDiscoveryService as @grpc/grpc-js takes it (`Server.addService`, `Client.makeBidiStreamRequest`). */
export const aggregatedDiscoveryService = {
  streamAggregatedResources: bidiStream('StreamAggregatedResources', DiscoveryRequestSchema, DiscoveryResponseSchema),
  deltaAggregatedResources: bidiStream(
    'DeltaAggregatedResources',
    DeltaDiscoveryRequestSchema,
    DeltaDiscoveryResponseSchema,
  ),
};

/** Secrets alone, state of the world: what Istio's agent serves on its socket. */
export const streamSecrets = {
  ...aggregatedDiscoveryService.streamAggregatedResources,
  path: '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
};

/** The largest message either side takes: 10,000 virtual hosts are about 3 MB, so this is 200,000 of them. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** A peer that vanished without a FIN (a laptop that slept, a dropped NAT entry) is noticed within 40 s. */
export const KEEPALIVE_OPTIONS = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
} as const;

function bidiStream<Request extends DescMessage, Response extends DescMessage>(
  name: string,
  request: Request,
  response: Response,
): MethodDefinition<MessageShape<Request>, MessageShape<Response>> {
  return {
    path: `/envoy.service.discovery.v3.AggregatedDiscoveryService/${name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (message) => asBuffer(toBinary(request, message)),
    requestDeserialize: (bytes) => fromBinary(request, bytes),
    responseSerialize: (message) => asBuffer(toBinary(response, message)),
    responseDeserialize: (bytes) => fromBinary(response, bytes),
  };
}
