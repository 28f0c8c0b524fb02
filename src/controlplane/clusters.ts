// Clusters: one for each port of each service a proxy sees, and one for each subset of it.

import { create } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { describeKey, keyOf, type ObjectKey } from '../resources/object.ts';
import type { Subset } from '../resources/types.ts';
import {
  CircuitBreakers_ThresholdsSchema,
  CircuitBreakersSchema,
} from '../xds/gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import {
  type Cluster,
  Cluster_EdsClusterConfigSchema,
  Cluster_OriginalDstLbConfigSchema,
  ClusterSchema,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_DnsLookupFamily as DnsLookupFamily,
  Cluster_LbPolicy as LbPolicy,
} from '../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { MetadataSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  Http1ProtocolOptionsSchema,
  Http2ProtocolOptionsSchema,
  UpstreamHttpProtocolOptionsSchema,
} from '../xds/gen/envoy/config/core/v3/protocol_pb.js';
import {
  HttpProtocolOptions_ExplicitHttpConfigSchema,
  HttpProtocolOptionsSchema,
} from '../xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { BLACK_HOLE_CLUSTER_NAME, clusterName, PASSTHROUGH_CLUSTER_NAME, SELF_CLUSTER_NAME } from './cluster-name.ts';
import { configPath } from './config-metadata.ts';
import { adsConfigSource } from './config-source.ts';
import type { MergedDestinationRule } from './destination-rules.ts';
import { seconds } from './duration.ts';
import { resolveByRequest } from './dynamic-forward-proxy.ts';
import { loadAssignment } from './endpoints.ts';
import type { ProxyNode } from './node.ts';
import type { Notice } from './notice.ts';
import type { PushContext } from './push-context.ts';
import { isHttp2 } from './registry/protocol.ts';
import type { MeshService, ServicePort } from './registry/service.ts';
import { type EffectivePolicy, effectivePolicy } from './traffic-policy.ts';
import { type UpstreamTls, upstreamTls } from './upstream-tls.ts';
import { isVisibleTo } from './visibility.ts';

/** meshConfig.connectTimeout's default. */
const CONNECT_TIMEOUT_SECONDS = 10;

/** meshConfig.dnsRefreshRate's default. */
const DNS_REFRESH_SECONDS = 60;

/** No limit: Envoy's own defaults (1024 connections, 3 retries) are too low while pods come and go. */
const UNLIMITED = 0xffffffff;

/** A cluster with what its endpoints are selected by. */
export interface BuiltCluster {
  readonly message: Cluster;
  readonly service: MeshService;
  readonly port: ServicePort;
  readonly subset: Subset | undefined;
  /** The credential its TLS is made with. */
  readonly credential: UpstreamCredential | undefined;
}

/** A Secret that a DestinationRule names. */
export interface UpstreamCredential {
  readonly name: string;
  readonly mode: 'SIMPLE' | 'MUTUAL';
  readonly rule: ObjectKey;
  /** `spec.trafficPolicy.tls.credentialName` */
  readonly field: string;
}

/** The clusters of one service, and what is to be told about them. */
export interface ServiceClusters {
  readonly clusters: readonly BuiltCluster[];
  readonly notices: readonly Notice[];
}

/** The services a proxy of a namespace sees; of several with one host name, the oldest. The others are named. */
export function visibleServices(
  context: PushContext,
  namespace: string,
): { readonly services: readonly MeshService[]; readonly notices: readonly Notice[] } {
  return context.memo.get(`visible/${namespace}`, [context.registry.services], () => {
    const byHostname = new Map<string, MeshService>();
    const notices: Notice[] = [];
    for (const service of context.registry.services) {
      if (!isVisibleTo(service.visibility, namespace)) continue;
      const older = byHostname.get(service.hostname);
      if (older === undefined) byHostname.set(service.hostname, service);
      else {
        const message = `host ${service.hostname} is already that of ${describeKey(older.key)}, which is older: gateways use that one`;
        notices.push({ object: service.key, field: 'spec.hosts', message });
      }
    }
    return { services: [...byHostname.values()], notices };
  });
}

/** All clusters of a proxy but those that lead nowhere. */
export function clustersOf(context: PushContext, node: ProxyNode): ServiceClusters[] {
  return visibleServices(context, node.namespace).services.map((service) => {
    const rule = context.destinationRules.ruleFor(service, node.namespace);
    // DNS clusters carry their endpoints; the others get them by EDS.
    const inputs = service.resolution === 'static' ? [] : [context.registry.endpointsOf(service)];
    return context.memo.get(`${node.id}/clusters/${service.hostname}`, [node.http2, service, rule, ...inputs], () =>
      buildClusters(service, rule, node, context),
    );
  });
}

/** The cluster for what must lead nowhere. */
export const BLACK_HOLE_CLUSTER: Cluster = create(ClusterSchema, {
  name: BLACK_HOLE_CLUSTER_NAME,
  clusterDiscoveryType: { case: 'type', value: DiscoveryType.STATIC },
  connectTimeout: seconds(CONNECT_TIMEOUT_SECONDS),
});

/** The cluster for hosts that the mesh does not know: calls of workloads go where they are meant for. */
export const PASSTHROUGH_CLUSTER: Cluster = create(ClusterSchema, {
  name: PASSTHROUGH_CLUSTER_NAME,
  connectTimeout: seconds(CONNECT_TIMEOUT_SECONDS),
  circuitBreakers: unlimited(),
});
resolveByRequest(PASSTHROUGH_CLUSTER);

/**
 * The sidecar itself: what comes through a tunnel to a service is HTTP, and its routes hold for it. The route says in a header where it listens,
 * so that all replicas have the same cluster.
 */
export const SELF_CLUSTER: Cluster = create(ClusterSchema, {
  name: SELF_CLUSTER_NAME,
  connectTimeout: seconds(CONNECT_TIMEOUT_SECONDS),
  lbPolicy: LbPolicy.CLUSTER_PROVIDED,
  clusterDiscoveryType: { case: 'type', value: DiscoveryType.ORIGINAL_DST },
  lbConfig: { case: 'originalDstLbConfig', value: create(Cluster_OriginalDstLbConfigSchema, { useHttpHeader: true }) },
  circuitBreakers: unlimited(),
});

function buildClusters(
  service: MeshService,
  rule: MergedDestinationRule | undefined,
  node: ProxyNode,
  context: PushContext,
): ServiceClusters {
  const { http2 } = node;
  const clusters: BuiltCluster[] = [];
  const notices: Notice[] = [];
  for (const port of service.ports) {
    if (port.protocol === 'UDP') continue;
    for (const subset of [undefined, ...(rule?.subsets ?? [])]) {
      const policy = effectivePolicy(rule, subset, port.number);
      const tls = upstreamTls(policy.tls, service, http2 && isHttp2(port.protocol));
      const report = (message: string) => {
        if (rule !== undefined) notices.push({ object: keyOf(rule.rule), field: `${policy.tlsField}.mode`, message });
      };
      if (tls.kind === 'refused') {
        report(`${tls.problem}: requests are answered 503`);
        continue;
      }
      if (tls.kind === 'plain' && tls.notice !== undefined) report(tls.notice);
      const message = buildCluster(service, port, rule, subset, node, policy.loadBalancer, tls, context);
      if (message === undefined) continue;
      clusters.push({ message, service, port, subset, credential: credentialOf(policy, rule) });
    }
  }
  return { clusters, notices };
}

function credentialOf(
  { tls, tlsField }: EffectivePolicy,
  rule: MergedDestinationRule | undefined,
): UpstreamCredential | undefined {
  if (rule === undefined || !tls?.credentialName || (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL')) return undefined;
  // Nothing of the Secret is used when nothing is verified and nothing shown.
  if (tls.mode === 'SIMPLE' && tls.insecureSkipVerify) return undefined;
  return { name: tls.credentialName, mode: tls.mode, rule: keyOf(rule.rule), field: `${tlsField}.credentialName` };
}

function buildCluster(
  service: MeshService,
  port: ServicePort,
  rule: MergedDestinationRule | undefined,
  subset: Subset | undefined,
  { http2, type }: ProxyNode,
  loadBalancer: EffectivePolicy['loadBalancer'],
  tls: Exclude<UpstreamTls, { kind: 'refused' }>,
  context: PushContext,
): Cluster | undefined {
  const name = clusterName(port.number, subset?.name ?? '', service.hostname);
  const cluster = create(ClusterSchema, {
    name,
    connectTimeout: seconds(CONNECT_TIMEOUT_SECONDS),
    lbPolicy: lbPolicyOf(loadBalancer),
    circuitBreakers: unlimited(),
    metadata: create(MetadataSchema, { filterMetadata: { istio: metadataOf(service, port, rule, subset) } }),
    typedExtensionProtocolOptions: httpOptions(http2 && isHttp2(port.protocol), tls),
  });
  if (tls.kind === 'tls') cluster.transportSocket = tls.transportSocket;
  if (type === 'sidecar' && !hasKnownDestination(service, port, context)) {
    resolveByRequest(cluster);
    return cluster;
  }
  switch (service.resolution) {
    // A gateway has no original destination to go to, so NONE is its endpoints too, if it has any.
    case 'static':
    case 'none':
      setType(cluster, DiscoveryType.EDS);
      cluster.edsClusterConfig = create(Cluster_EdsClusterConfigSchema, {
        edsConfig: adsConfigSource(),
        serviceName: name,
      });
      return cluster;
    default: {
      const assignment = loadAssignment(name, service, port, subset, context);
      const [locality] = assignment.endpoints;
      // Envoy refuses a DNS cluster without an address.
      if (locality === undefined) return undefined;
      if (service.resolution === 'dns-round-robin') {
        // A logical DNS cluster has exactly one name.
        assignment.endpoints = [{ ...locality, lbEndpoints: locality.lbEndpoints.slice(0, 1) }];
      }
      setType(cluster, service.resolution === 'dns' ? DiscoveryType.STRICT_DNS : DiscoveryType.LOGICAL_DNS);
      cluster.loadAssignment = assignment;
      cluster.dnsRefreshRate = seconds(DNS_REFRESH_SECONDS);
      cluster.respectDnsTtl = true;
      cluster.dnsLookupFamily = DnsLookupFamily.V4_ONLY;
      return cluster;
    }
  }
}

/**
 * Whether a proxy is told where a port of a service leads. Else (resolution NONE) the one that sends a request must know, which a client of a
 * sidecar does.
 */
export function hasKnownDestination(service: MeshService, port: ServicePort, context: PushContext): boolean {
  return service.resolution !== 'none' || context.registry.endpointsOf(service).get(port.number)?.length !== 0;
}

function unlimited() {
  return create(CircuitBreakersSchema, {
    thresholds: [
      create(CircuitBreakers_ThresholdsSchema, {
        maxConnections: UNLIMITED,
        maxPendingRequests: UNLIMITED,
        maxRequests: UNLIMITED,
        maxRetries: UNLIMITED,
        trackRemaining: true,
      }),
    ],
  });
}

function setType(cluster: Cluster, value: DiscoveryType): void {
  cluster.clusterDiscoveryType = { case: 'type', value };
}

/** The load balancing policy; Istio's default is least request. */
function lbPolicyOf(loadBalancer: EffectivePolicy['loadBalancer']): LbPolicy {
  switch (loadBalancer?.simple) {
    case 'ROUND_ROBIN':
      return LbPolicy.ROUND_ROBIN;
    case 'RANDOM':
      return LbPolicy.RANDOM;
    default:
      return LbPolicy.LEAST_REQUEST;
  }
}

function metadataOf(
  service: MeshService,
  port: ServicePort,
  rule: MergedDestinationRule | undefined,
  subset: Subset | undefined,
) {
  return {
    services: [{ host: service.hostname, name: service.name, namespace: service.namespace }],
    default_original_port: port.number,
    ...(service.external ? { external: true } : {}),
    ...(rule === undefined ? {} : { config: configPath(rule.rule) }),
    ...(subset === undefined ? {} : { subset: subset.name }),
  };
}

const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

/** How HTTP is spoken, where that is not HTTP/1.1 with a name of its own for TLS. */
function httpOptions(http2: boolean, tls: UpstreamTls): Record<string, Any> {
  const autoSni = tls.kind === 'tls' && tls.autoSni;
  if (!http2 && !autoSni) return {};
  const options = create(HttpProtocolOptionsSchema, {
    upstreamProtocolOptions: {
      case: 'explicitHttpConfig',
      value: create(HttpProtocolOptions_ExplicitHttpConfigSchema, {
        protocolConfig: http2
          ? { case: 'http2ProtocolOptions', value: create(Http2ProtocolOptionsSchema) }
          : { case: 'httpProtocolOptions', value: create(Http1ProtocolOptionsSchema) },
      }),
    },
  });
  if (autoSni)
    options.upstreamHttpProtocolOptions = create(UpstreamHttpProtocolOptionsSchema, {
      autoSni,
      autoSanValidation: tls.autoSanValidation,
    });
  return { [HTTP_PROTOCOL_OPTIONS]: anyPack(HttpProtocolOptionsSchema, options) };
}
