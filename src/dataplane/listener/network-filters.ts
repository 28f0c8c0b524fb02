// Builds the filter of a filter chain out of its `filters`: the last one decides what is done with the bytes.

import { fromBinary } from '@bufbuild/protobuf';
import type { Filter } from '../../xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  type TcpProxy,
  TcpProxySchema,
} from '../../xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType, reportsOnly } from '../istio-filters.ts';

/** The last filter of a chain, decoded. */
export type TerminalFilter =
  | { readonly kind: 'http'; readonly config: HttpConnectionManager }
  | { readonly kind: 'tcp'; readonly config: TcpProxy; readonly clusterFromSni: boolean };

const typeUrl = (message: string) => `type.googleapis.com/${message}`;
const HTTP_CONNECTION_MANAGER = typeUrl(HttpConnectionManagerSchema.typeName);
const TCP_PROXY = typeUrl(TcpProxySchema.typeName);
/** Takes the cluster's name from the SNI (Istio's AUTO_PASSTHROUGH). */
const SNI_CLUSTER = typeUrl('envoy.extensions.filters.network.sni_cluster.v3.SniCluster');

/**
 * @param filters in the order of the configuration
 * @param field where they stand, for errors
 * @param onSkipped told of each filter that is left out
 * @throws ConfigError for filters Limen does not have
 */
export function terminalFilter(
  filters: readonly Filter[],
  field: string,
  onSkipped: (name: string) => void,
): TerminalFilter {
  let clusterFromSni = false;
  for (const [index, { name, configType }] of filters.entries()) {
    const at = `${field}.filters[${index}] (${name})`;
    if (configType.case === 'typedConfig' && reportsOnly(name, filterType(configType.value))) {
      onSkipped(name);
      continue;
    }
    if (configType.case !== 'typedConfig') throw new ConfigError(`${at}: expected a typed_config`);
    const any = configType.value;
    const isLast = index === filters.length - 1;
    if (any.typeUrl === SNI_CLUSTER) {
      clusterFromSni = true;
      continue;
    }
    if (any.typeUrl !== HTTP_CONNECTION_MANAGER && any.typeUrl !== TCP_PROXY)
      throw new ConfigError(
        `${at}: a filter of type ${filterType(any) || any.typeUrl} is not supported, expected HttpConnectionManager, TcpProxy or SniCluster`,
      );
    if (!isLast) throw new ConfigError(`${at}: a terminal filter must be the last one`);
    try {
      return any.typeUrl === TCP_PROXY
        ? { kind: 'tcp', config: fromBinary(TcpProxySchema, any.value), clusterFromSni }
        : { kind: 'http', config: fromBinary(HttpConnectionManagerSchema, any.value) };
    } catch (error) {
      throw new ConfigError(`${at}: can't be decoded: ${(error as Error).message}`);
    }
  }
  throw new ConfigError(`${field}.filters: expected an HttpConnectionManager or TcpProxy as the last filter`);
}
