// How far each connected proxy has followed the control plane, as istiod tells it: a DiscoveryResponse of envoy.service.status.v3.ClientConfig.

import { create, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Node, NodeSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { ClientStatus } from '../../xds/server.ts';
import type { SubscriptionStatus } from '../../xds/stream.ts';

/** envoy.service.status.v3.ConfigStatus; UNKNOWN stands for a type that the proxy did not ask for. */
export type ConfigStatus = 'UNKNOWN' | 'SYNCED' | 'NOT_SENT' | 'STALE' | 'ERROR';

/** One type of one proxy: envoy.service.status.v3.ClientConfig.GenericXdsConfig. */
export interface XdsConfig {
  typeUrl: string;
  configStatus: ConfigStatus;
  /** What was sent last. */
  versionInfo?: string;
  /** When it was. RFC 3339. */
  lastUpdated?: string;
  /** The refusal: envoy.admin.v3.UpdateFailureState. */
  errorState?: { details: string; versionInfo: string };
}

/** One proxy. */
export interface ClientConfig {
  '@type': typeof CLIENT_CONFIG;
  node: JsonValue;
  genericXdsConfigs: XdsConfig[];
}

/** All proxies of one control plane. */
export interface SyncStatus {
  versionInfo: string;
  resources: ClientConfig[];
  typeUrl: typeof CLIENT_CONFIG;
  /** `identifier` is JSON again: which component, which instance, which version. */
  controlPlane: { identifier: string };
}

const CLIENT_CONFIG = 'type.googleapis.com/envoy.service.status.v3.ClientConfig';

/** What the connected clients add up to. */
export function syncStatus(clients: readonly ClientStatus[], version: string): SyncStatus {
  const identifier = { Component: 'limen', ID: 'limen', Info: { version } };
  return {
    versionInfo: version,
    resources: clients.map(({ node, subscriptions }) => ({
      '@type': CLIENT_CONFIG,
      node: toJson(NodeSchema, introduction(node)),
      genericXdsConfigs: subscriptions.map(xdsConfig),
    })),
    typeUrl: CLIENT_CONFIG,
    controlPlane: { identifier: JSON.stringify(identifier) },
  };
}

/** A node without the thousand extensions that an Envoy was built with. */
function introduction(node: Node): Node {
  const { id, cluster, metadata, userAgentName, userAgentVersionType } = node;
  const plain = metadata === undefined ? {} : { metadata };
  return create(NodeSchema, { id, cluster, ...plain, userAgentName, userAgentVersionType });
}

function xdsConfig(subscription: SubscriptionStatus): XdsConfig {
  const { typeUrl, sentVersion, sentAt, refusal } = subscription;
  return {
    typeUrl,
    configStatus: configStatus(subscription),
    ...(sentVersion === '' ? {} : { versionInfo: sentVersion }),
    ...(sentAt === undefined ? {} : { lastUpdated: sentAt.toISOString() }),
    ...(refusal === undefined ? {} : { errorState: { details: refusal.message, versionInfo: refusal.version } }),
  };
}

function configStatus({ sentVersion, ackedVersion, refusal }: SubscriptionStatus): ConfigStatus {
  if (sentVersion === '') return 'NOT_SENT';
  if (refusal !== undefined) return 'ERROR';
  return sentVersion === ackedVersion ? 'SYNCED' : 'STALE';
}
