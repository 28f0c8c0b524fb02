// A RouteConfiguration: the virtual hosts of all servers that share its name, in it, or beside it for a proxy that takes them so.

import { create } from '@bufbuild/protobuf';
import { type VirtualHost, VirtualHostSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { adsConfigSource } from '../config-source.ts';
import type { MergedServer } from '../gateways/server.ts';
import { sameItems } from '../memo.ts';
import type { ProxyNode } from '../node.ts';
import type { Notice } from '../notice.ts';
import type { PushContext } from '../push-context.ts';
import { HostTable } from './host-table.ts';

/** The largest body of a directResponse; Envoy's own default of 4 KiB is less than Istio lets one write. */
export const MAX_DIRECT_RESPONSE_BODY_BYTES = 1024 * 1024;

/** A RouteConfiguration and what is to be told about it. */
export interface BuiltRouteConfiguration {
  readonly message: RouteConfiguration;
  /** Those that are not in the message: the proxy is sent each by itself. */
  readonly virtualHosts: readonly VirtualHost[];
  readonly notices: readonly Notice[];
}

/**
 * Builds the RouteConfiguration of a name.
 * @param servers at least one, oldest Gateway first
 */
export function routeConfiguration(
  name: string,
  servers: readonly MergedServer[],
  context: PushContext,
  node: ProxyNode,
): BuiltRouteConfiguration {
  const kept = context.memo.get<{ table: HostTable | undefined }>(
    `${node.id}/hosts/${name}`,
    [node.namespace, node.http2],
    () => ({ table: undefined }),
  );
  if (kept.table === undefined || !sameItems(kept.table.servers, servers))
    kept.table = new HostTable(servers, node, kept.table);
  const { virtualHosts: hosts, notices } = kept.table.update(context, node);
  const virtualHosts = hosts.length > 0 ? hosts : blackhole(servers[0] as MergedServer, name, context, node);
  const common = {
    name,
    validateClusters: false,
    ignorePortInHostMatching: true,
    maxDirectResponseBodySizeBytes: MAX_DIRECT_RESPONSE_BODY_BYTES,
  };
  if (node.vhds === true) {
    const message = context.memo.get(`${node.id}/rds/${name}`, [], () =>
      create(RouteConfigurationSchema, { ...common, vhds: { configSource: adsConfigSource() } }),
    );
    return { message, virtualHosts, notices };
  }
  const message = context.memo.get(`${node.id}/rds/${name}`, [virtualHosts], () =>
    create(RouteConfigurationSchema, { ...common, virtualHosts: [...virtualHosts] }),
  );
  return { message, virtualHosts: [], notices };
}

/** A RouteConfiguration without any host answers 404 to everything. */
function blackhole({ server }: MergedServer, name: string, context: PushContext, node: ProxyNode): VirtualHost[] {
  const { number } = server.port;
  return context.memo.get(`${node.id}/vhost/${name}/blackhole`, [number], () => [
    create(VirtualHostSchema, { name: `blackhole:${number}`, domains: ['*'] }),
  ]);
}
