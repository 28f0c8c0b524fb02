// Clusters that go where the request says, by DNS: what an HTTP proxy has for hosts that nobody configured.
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_proxy

import { create } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  type Cluster,
  Cluster_CustomClusterTypeSchema,
  Cluster_DnsLookupFamily as DnsLookupFamily,
  Cluster_LbPolicy as LbPolicy,
} from '../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterConfigSchema } from '../xds/gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.js';
import { DnsCacheConfigSchema } from '../xds/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js';
import { FilterConfigSchema } from '../xds/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js';
import {
  type HttpFilter,
  HttpFilterSchema,
} from '../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';

/** One for all of them: Envoy wants the filter and the clusters to agree on it. */
const DNS_CACHE = create(DnsCacheConfigSchema, { name: 'http_proxy', dnsLookupFamily: DnsLookupFamily.V4_PREFERRED });

/** Makes a cluster resolve the host of each request. */
export function resolveByRequest(cluster: Cluster): void {
  const config = create(ClusterConfigSchema, {
    clusterImplementationSpecifier: { case: 'dnsCacheConfig', value: DNS_CACHE },
    // A DestinationRule may name one host to verify for all requests.
    allowInsecureClusterOptions: true,
  });
  cluster.lbPolicy = LbPolicy.CLUSTER_PROVIDED;
  cluster.clusterDiscoveryType = {
    case: 'clusterType',
    value: create(Cluster_CustomClusterTypeSchema, {
      name: 'envoy.clusters.dynamic_forward_proxy',
      typedConfig: anyPack(ClusterConfigSchema, config),
    }),
  };
}

/** The filter that looks names up for such clusters. It leaves requests to others alone. */
export function dynamicForwardProxyFilter(): HttpFilter {
  const config = create(FilterConfigSchema, { implementationSpecifier: { case: 'dnsCacheConfig', value: DNS_CACHE } });
  return create(HttpFilterSchema, {
    name: 'envoy.filters.http.dynamic_forward_proxy',
    configType: { case: 'typedConfig', value: anyPack(FilterConfigSchema, config) },
  });
}
