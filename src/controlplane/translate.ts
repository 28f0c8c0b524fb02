// What one proxy is to have: all its xDS resources out of one push context.

import { ClusterSchema } from '../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { VirtualHost } from '../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '../xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { type EncodedResource, encodeResource, type ResourceSet, TypeUrl } from '../xds/resources.ts';
import {
  BLACK_HOLE_CLUSTER,
  clustersOf,
  PASSTHROUGH_CLUSTER,
  SELF_CLUSTER,
  type UpstreamCredential,
  visibleServices,
} from './clusters.ts';
import { loadAssignment } from './endpoints.ts';
import { gatewaysOf } from './gateways/select.ts';
import { type BuiltListener, listenersOf } from './listeners/listener.ts';
import type { ProxyNode } from './node.ts';
import type { Notice } from './notice.ts';
import type { PushContext } from './push-context.ts';
import { encodeRouteConfiguration } from './routes/encode.ts';
import { type BuiltRouteConfiguration, routeConfiguration } from './routes/route-configuration.ts';
import { VirtualHostResources } from './routes/virtual-host-resources.ts';
import { secretsOf } from './secrets.ts';
import { HTTP_PROXY_ROUTE, httpProxyListener, httpProxyPort } from './sidecar/listener.ts';
import { httpProxyRoutes } from './sidecar/route-configuration.ts';
import { untranslatedFields } from './untranslated.ts';

export type { Notice } from './notice.ts';

/** A proxy's resources, and what the user is to be told. */
export interface Translation {
  readonly resources: ResourceSet;
  readonly notices: readonly Notice[];
}

/** Translates for one proxy. The same context and node give equal resources; what did not change since the context before is not built again. */
export function translate(context: PushContext, proxy: ProxyNode): Translation {
  const node = withPodLabels(context, proxy);
  const notices: Notice[] = [];
  const clusters = new Map<string, EncodedResource>();
  const endpoints = new Map<string, EncodedResource>();
  const credentials: UpstreamCredential[] = [];
  const built = clustersOf(context, node);
  for (const { notices: own } of built) for (const notice of own) notices.push(notice);
  for (const { message, service, port, subset, credential } of built.flatMap((each) => each.clusters)) {
    const { name } = message;
    if (credential !== undefined) credentials.push(credential);
    if (clusters.has(name)) continue;
    clusters.set(name, encodeResource(name, ClusterSchema, message));
    if (message.edsClusterConfig === undefined) continue;
    const found = context.registry.endpointsOf(service);
    const assignment = context.memo.get(`eds/${name}`, [found, subset, service], () =>
      loadAssignment(name, service, port, subset, context),
    );
    endpoints.set(name, encodeResource(name, ClusterLoadAssignmentSchema, assignment));
  }
  const fixed =
    node.type === 'sidecar' ? [BLACK_HOLE_CLUSTER, PASSTHROUGH_CLUSTER, SELF_CLUSTER] : [BLACK_HOLE_CLUSTER];
  for (const message of fixed) clusters.set(message.name, encodeResource(message.name, ClusterSchema, message));

  const gateways = gatewaysOf(context, node);
  const listeners = new Map<string, EncodedResource>();
  const addListener = ({ messages, notices: own }: BuiltListener) => {
    for (const message of messages) listeners.set(message.name, encodeResource(message.name, ListenerSchema, message));
    for (const notice of own) notices.push(notice);
  };
  const routes = new Map<string, EncodedResource>();
  const virtualHosts = new Map<string, readonly VirtualHost[]>();
  const addRoutes = ({ message, virtualHosts: apart, notices: own }: BuiltRouteConfiguration) => {
    const { name } = message;
    routes.set(
      name,
      encodeResource(name, RouteConfigurationSchema, message, () => encodeRouteConfiguration(message)),
    );
    virtualHosts.set(name, apart);
    for (const notice of own) notices.push(notice);
  };
  for (const listener of listenersOf(gateways, context, node)) addListener(listener);
  for (const [name, servers] of gateways.serversByRouteName)
    addRoutes(routeConfiguration(name, servers, context, node));
  const proxyPort = node.type === 'sidecar' ? httpProxyPort(node, context.mesh) : undefined;
  if (proxyPort !== undefined) {
    const build = () => httpProxyListener(proxyPort, context.mesh);
    const message = context.memo.get(`${node.id}/listener/${HTTP_PROXY_ROUTE}`, [proxyPort, context.mesh], build);
    addListener({ messages: [message], notices: [] });
    addRoutes(httpProxyRoutes(context, node, proxyPort));
  }
  const secrets = new Map<string, EncodedResource>();
  const builtSecrets = secretsOf(gateways, credentials, context, node);
  for (const message of builtSecrets.messages)
    secrets.set(message.name, encodeResource(message.name, SecretSchema, message));

  const virtualHostsApart = context.memo.get(`${node.id}/vhds`, [], () => new VirtualHostResources());
  const all = [
    notices,
    visibleServices(context, node.namespace).notices,
    gateways.notices,
    builtSecrets.notices,
    untranslatedFields(context, gateways, proxyPort !== undefined, node.id),
  ].flat();
  return {
    resources: new Map([
      [TypeUrl.Cluster, clusters],
      [TypeUrl.ClusterLoadAssignment, endpoints],
      [TypeUrl.Listener, listeners],
      [TypeUrl.RouteConfiguration, routes],
      ...(node.vhds === true ? [[TypeUrl.VirtualHost, virtualHostsApart.update(virtualHosts)] as const] : []),
      [TypeUrl.Secret, secrets],
    ]),
    notices: unique(all),
  };
}

/** A proxy that does not say its labels has those of its pod. */
function withPodLabels(context: PushContext, node: ProxyNode): ProxyNode {
  if (Object.keys(node.labels).length > 0) return node;
  const labels = context.snapshot.get('Pod', node.namespace, node.podName)?.metadata.labels;
  return labels === undefined ? node : { ...node, labels };
}

/** One notice once, however many hosts or ports it was met on. */
function unique(notices: readonly Notice[]): Notice[] {
  const seen = new Map<string, Notice>();
  for (const notice of notices) {
    const { kind, namespace, name } = notice.object;
    const key = `${kind}/${namespace}/${name}\n${notice.field ?? ''}\n${notice.message}`;
    if (!seen.has(key)) seen.set(key, notice);
  }
  return [...seen.values()];
}
