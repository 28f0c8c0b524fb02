// One client of the ADS server: its node, its subscriptions, and the order in which responses go out: make before break.

import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { Logger } from 'pino';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Node } from './gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from './gen/envoy/service/discovery/v3/discovery_pb.js';
import { type EncodedResource, PUSH_ORDER, type ResourceSet, shortTypeName, TypeUrl } from './resources.ts';
import { type NextResponse, Subscription } from './subscription.ts';
