// A gateway's resources in istiod's shape, after the walkthroughs: what the tables of `limen proxy-config` are tested with.
// The same resources are packed into a config dump here and given to a real Envoy (envoy.ts).

import type { JsonObject } from '@bufbuild/protobuf';
import { ConfigDumpSchema } from '../../../src/xds/gen/envoy/admin/v3/config_dump_pb.js';
import { dumpToJson, jsonToMessage } from '../../../src/xds/json.ts';

const TYPE = 'type.googleapis.com/';
const HTTP = 'envoy.filters.network.http_connection_manager';
const TCP = 'envoy.filters.network.tcp_proxy';

/** Where a resource is fetched from: a path in the live Envoy, ADS in the hand-made dump. */
export type ConfigSource = (kind: 'rds' | 'eds' | 'sds', name: string) => JsonObject;

const ADS: ConfigSource = () => ({ ads: {}, resource_api_version: 'V3' });

const socket = (address: string, port: number) => ({ socket_address: { address, port_value: port } });

function hcm(routes: JsonObject): JsonObject {
  return {
    name: HTTP,
    typed_config: {
      '@type': `${TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
      stat_prefix: 'outbound',
      ...routes,
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': `${TYPE}envoy.extensions.filters.http.router.v3.Router` },
        },
      ],
    },
  };
}

function tcp(cluster: string): JsonObject {
  return {
    name: TCP,
    typed_config: {
      '@type': `${TYPE}envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`,
      stat_prefix: cluster,
      cluster,
    },
  };
}

function inlineListener(port: number, path: string, cluster: string): JsonObject {
  return {
    address: socket('0.0.0.0', port),
    bind_to_port: false,
    filter_chains: [
      {
        filters: [
          hcm({
            route_config: {
              virtual_hosts: [
                { name: 'backend', domains: ['*'], routes: [{ match: { prefix: path }, route: { cluster } }] },
              ],
            },
          }),
        ],
      },
    ],
  };
}

export const STATIC_LISTENERS: JsonObject[] = [
  inlineListener(15090, '/stats/prometheus', 'prometheus_stats'),
  inlineListener(15021, '/healthz/ready', 'agent'),
];

/** The listeners of W1, W3, W4.5 and W4.6. They bind no port, so that the live Envoy needs none. */
export function listeners(source: ConfigSource = ADS): JsonObject[] {
  const rds = (name: string) => hcm({ rds: { route_config_name: name, config_source: source('rds', name) } });
  const tls = (host: string, credential: string, routes: string) => ({
    filter_chain_match: { server_names: [host] },
    filters: [rds(routes)],
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': `${TYPE}envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext`,
        common_tls_context: {
          alpn_protocols: ['h2', 'http/1.1'],
          tls_certificate_sds_secret_configs: [
            { name: `kubernetes://${credential}`, sds_config: source('sds', `kubernetes://${credential}`) },
          ],
        },
        require_client_certificate: false,
      },
    },
  });
  return [
    {
      name: '0.0.0.0_8080',
      address: socket('0.0.0.0', 8080),
      bind_to_port: false,
      filter_chains: [{ filters: [rds('http.8080')] }],
      traffic_direction: 'OUTBOUND',
    },
    {
      name: '0.0.0.0_8443',
      address: socket('0.0.0.0', 8443),
      bind_to_port: false,
      filter_chains: [
        tls('webapp.istioinaction.io', 'webapp-credential', 'https.443.https.coolstore-gateway.istioinaction'),
        tls('test.io', 'test-cred', 'https.443.https.test-gateway.default'),
        {
          filter_chain_match: { server_names: ['passthrough.io', '*.passthrough.io'] },
          filters: [tcp('outbound|443||passthrough.default.svc.cluster.local')],
        },
      ],
      listener_filters: [
        {
          name: 'envoy.filters.listener.tls_inspector',
          typed_config: { '@type': `${TYPE}envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector` },
        },
      ],
      traffic_direction: 'OUTBOUND',
    },
    {
      name: '0.0.0.0_31400',
      address: socket('0.0.0.0', 31400),
      additional_addresses: [{ address: socket('::', 31400) }],
      bind_to_port: false,
      filter_chains: [{ filters: [tcp('outbound|2701||tcp-echo-service.default.svc.cluster.local')] }],
      traffic_direction: 'OUTBOUND',
    },
  ];
}

const istio = (kind: string, namespace: string, name: string) => ({
  filter_metadata: {
    istio: { config: `/apis/networking.istio.io/v1alpha3/namespaces/${namespace}/${kind}/${name}` },
  },
});

function virtualServiceRoute(match: JsonObject, cluster: string, namespace: string, name: string): JsonObject {
  return {
    match,
    route: {
      cluster,
      timeout: '0s',
      retry_policy: {
        retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
        num_retries: 2,
        retry_host_predicate: [
          {
            name: 'envoy.retry_host_predicates.previous_hosts',
            typed_config: {
              '@type': `${TYPE}envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate`,
            },
          },
        ],
        host_selection_retry_max_attempts: '5',
        retriable_status_codes: [503],
      },
      max_stream_duration: { max_stream_duration: '0s', grpc_timeout_header_max: '0s' },
    },
    metadata: istio('virtual-service', namespace, name),
    decorator: { operation: `${cluster.split('|')[3]}:80/*` },
  };
}

const WEBAPP = 'outbound|80||webapp.istioinaction.svc.cluster.local';
const HTTPBIN = 'outbound|80|v2|httpbin-service.default.svc.cluster.local';

export const ROUTES: JsonObject[] = [
  {
    name: 'http.8080',
    virtual_hosts: [
      {
        name: 'webapp.istioinaction.io:80',
        domains: ['webapp.istioinaction.io'],
        routes: [virtualServiceRoute({ prefix: '/' }, WEBAPP, 'istioinaction', 'webapp-vs-from-gw')],
        include_request_attempt_count: true,
      },
      {
        name: 'httpbin-service.default.svc.cluster.local:80',
        domains: [
          'httpbin-service.default.svc.cluster.local',
          'httpbin-service',
          'httpbin-service.default.svc',
          'httpbin-service.default',
          'httpbin.local',
          'httpbin.local:*',
        ],
        routes: [
          virtualServiceRoute({ path: '/get' }, HTTPBIN, 'default', 'httpbin-virtual-service'),
          virtualServiceRoute({ path_separated_prefix: '/anything' }, HTTPBIN, 'default', 'httpbin-virtual-service'),
          virtualServiceRoute(
            { safe_regex: { regex: '/status/[0-9]+' } },
            HTTPBIN,
            'default',
            'httpbin-virtual-service',
          ),
        ],
        include_request_attempt_count: true,
      },
      { name: 'test.io:80', domains: ['test.io'], routes: [], require_tls: 'ALL' },
    ],
    validate_clusters: false,
    ignore_port_in_host_matching: true,
  },
  {
    name: 'https.443.https.coolstore-gateway.istioinaction',
    virtual_hosts: [
      {
        name: 'webapp.istioinaction.io:443',
        domains: ['webapp.istioinaction.io'],
        routes: [virtualServiceRoute({ prefix: '/' }, WEBAPP, 'istioinaction', 'webapp-vs-from-gw')],
        include_request_attempt_count: true,
      },
    ],
    validate_clusters: false,
    ignore_port_in_host_matching: true,
  },
  {
    name: 'https.443.https.test-gateway.default',
    virtual_hosts: [{ name: 'blackhole:443', domains: ['*'] }],
    validate_clusters: false,
    ignore_port_in_host_matching: true,
  },
];

export function clusters(source: ConfigSource = ADS): JsonObject[] {
  const eds = (name: string, more: JsonObject = {}) => ({
    name,
    type: 'EDS',
    eds_cluster_config: { eds_config: source('eds', name), service_name: name },
    connect_timeout: '10s',
    ...more,
  });
  return [
    { name: 'BlackHoleCluster', type: 'STATIC', connect_timeout: '10s' },
    eds('outbound|80||webapp.istioinaction.svc.cluster.local'),
    eds('outbound|80||catalog.istioinaction.svc.cluster.local'),
    eds('outbound|8080||catalog.istioinaction.svc.cluster.local'),
    eds('outbound|80||httpbin-service.default.svc.cluster.local', {
      metadata: istio('destination-rule', 'default', 'httpbin-destination-rule'),
    }),
    eds(HTTPBIN, { metadata: istio('destination-rule', 'default', 'httpbin-destination-rule') }),
    eds('outbound|2701||tcp-echo-service.default.svc.cluster.local'),
    eds('outbound|443||passthrough.default.svc.cluster.local'),
  ];
}

const staticCluster = (name: string, port: number): JsonObject => ({
  name,
  type: 'STATIC',
  connect_timeout: '0.250s',
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: socket('127.0.0.1', port) } }] }],
  },
});
export const STATIC_CLUSTERS: JsonObject[] = [staticCluster('prometheus_stats', 15000), staticCluster('agent', 15020)];

const assignment = (cluster: string, ...endpoints: [address: string, port: number, status?: string][]): JsonObject => ({
  cluster_name: cluster,
  endpoints: [
    {
      locality: { region: 'local', zone: 'a' },
      lb_endpoints: endpoints.map(([address, port, status]) => ({
        endpoint: { address: socket(address, port) },
        ...(status === undefined ? {} : { health_status: status }),
        load_balancing_weight: 1,
      })),
      load_balancing_weight: 1,
    },
  ],
});

export const ENDPOINTS: JsonObject[] = [
  assignment('outbound|80||webapp.istioinaction.svc.cluster.local', ['10.244.0.12', 8080]),
  assignment('outbound|80||catalog.istioinaction.svc.cluster.local', ['10.244.0.11', 3000], ['10.244.0.9', 3000, 'UNHEALTHY']),
  assignment('outbound|8080||catalog.istioinaction.svc.cluster.local', ['10.244.0.11', 8080]),
  assignment('outbound|80||httpbin-service.default.svc.cluster.local', ['10.244.0.21', 80], ['10.244.0.22', 80]),
  assignment(HTTPBIN, ['10.244.0.22', 80]),
  assignment('outbound|2701||tcp-echo-service.default.svc.cluster.local', ['10.244.0.31', 2701, 'DRAINING']),
  { cluster_name: 'outbound|443||passthrough.default.svc.cluster.local' },
];

/** A secret of a certificate; the key, where a live Envoy needs one, is made up for it and is in no dump. */
export function tlsSecret(name: string, certificate: string, key?: string): JsonObject {
  const bytes = (pem: string) => ({ inline_bytes: Buffer.from(pem).toString('base64') });
  return {
    name: `kubernetes://${name}`,
    tls_certificate: {
      certificate_chain: bytes(certificate),
      private_key: bytes(key ?? '[redacted]'),
    },
  };
}

export function caSecret(name: string, certificate: string): JsonObject {
  return {
    name: `kubernetes://${name}`,
    validation_context: { trusted_ca: { inline_bytes: Buffer.from(certificate).toString('base64') } },
  };
}

/** What istiod's agent writes into the bootstrap, as far as a table shows it. */
export const NODE: JsonObject = {
  id: 'router~10.244.0.5~istio-ingressgateway-0.istio-system~istio-system.svc.cluster.local',
  cluster: 'istio-ingressgateway.istio-system',
  metadata: { ISTIO_VERSION: '1.30.1', ISTIO_PROXY_SHA: '436f365a8007cd8a13a9f1321e7cce94bcc8883e' },
};

const LAST_UPDATED = '2026-01-02T03:04:05.678Z';

const typed = (typeName: string, value: JsonObject): JsonObject => ({ '@type': `${TYPE}${typeName}`, ...value });
const listener = (value: JsonObject) => typed('envoy.config.listener.v3.Listener', value);
const route = (value: JsonObject) => typed('envoy.config.route.v3.RouteConfiguration', value);
const cluster = (value: JsonObject) => typed('envoy.config.cluster.v3.Cluster', value);
const endpoint = (value: JsonObject) => typed('envoy.config.endpoint.v3.ClusterLoadAssignment', value);
const secret = (value: JsonObject) => typed('envoy.extensions.transport_sockets.tls.v3.Secret', value);

/** The config dump of such a gateway, as text: what GET /config_dump (?include_eds=true) would answer. */
export function configDumpText(secrets: readonly JsonObject[], { eds = true } = {}): string {
  const stamp = { version_info: '2026-01-02T03:04:05Z/7', last_updated: LAST_UPDATED };
  const sections = [
    typed('envoy.admin.v3.BootstrapConfigDump', {
      bootstrap: {
        node: {
          ...NODE,
          user_agent_name: 'envoy',
          user_agent_build_version: {
            version: { major_number: 1, minor_number: 38 },
            metadata: { 'revision.status': 'Clean', 'build.type': 'RELEASE', 'ssl.version': 'BoringSSL' },
          },
        },
      },
      last_updated: LAST_UPDATED,
    }),
    typed('envoy.admin.v3.ClustersConfigDump', {
      version_info: stamp.version_info,
      static_clusters: STATIC_CLUSTERS.map((value) => ({ cluster: cluster(value) })),
      dynamic_active_clusters: clusters().map((value) => ({ ...stamp, cluster: cluster(value) })),
    }),
    typed('envoy.admin.v3.ListenersConfigDump', {
      version_info: stamp.version_info,
      static_listeners: STATIC_LISTENERS.map((value) => ({ listener: listener(value) })),
      dynamic_listeners: listeners().map((value) => ({
        name: value.name as string,
        active_state: { ...stamp, listener: listener(value) },
      })),
    }),
    typed('envoy.admin.v3.RoutesConfigDump', {
      static_route_configs: ['/stats/prometheus', '/healthz/ready'].map((prefix) => ({
        route_config: route({
          virtual_hosts: [
            { name: 'backend', domains: ['*'], routes: [{ match: { prefix }, route: { cluster: 'agent' } }] },
          ],
        }),
      })),
      dynamic_route_configs: ROUTES.map((value) => ({ ...stamp, route_config: route(value) })),
    }),
    typed('envoy.admin.v3.SecretsConfigDump', {
      dynamic_active_secrets: secrets.map((value) => ({ name: value.name as string, ...stamp, secret: secret(value) })),
      dynamic_warming_secrets: [
        {
          name: 'kubernetes://missing-credential',
          version_info: 'uninitialized',
          last_updated: LAST_UPDATED,
          secret: secret({ name: 'kubernetes://missing-credential' }),
        },
      ],
    }),
  ];
  const endpoints = typed('envoy.admin.v3.EndpointsConfigDump', {
    static_endpoint_configs: STATIC_CLUSTERS.map((value) => ({
      endpoint_config: endpoint(value.load_assignment as JsonObject),
    })),
    dynamic_endpoint_configs: ENDPOINTS.map((value) => ({ endpoint_config: endpoint(value) })),
  });
  const dump = jsonToMessage(ConfigDumpSchema, { configs: eds ? [...sections, endpoints] : sections });
  return JSON.stringify(dumpToJson(dump), undefined, 1);
}
