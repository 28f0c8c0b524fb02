// The names of MeshConfig's fields, and which of them count here. https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig

/** Those that Limen honours, of `defaultConfig` only what concerns tracing. */
export const HONOURED_MESH_FIELDS = [
  ...['accessLogFile', 'accessLogEncoding', 'accessLogFormat', 'enableTracing', 'defaultConfig'],
  ...['proxyHttpPort', 'outboundTrafficPolicy'],
] as const;

/** Those that change nothing here, whatever their value: they concern what runs in a cluster. */
const HARMLESS = [
  ...['rootNamespace', 'trustDomain', 'defaultProviders', 'extensionProviders', 'enablePrometheusMerge'],
] as const;

const OTHERS = [
  ...['proxyListenPort', 'proxyInboundListenPort', 'connectTimeout', 'protocolDetectionTimeout'],
  ...['tcpKeepalive', 'ingressClass', 'ingressService', 'ingressControllerMode', 'ingressSelector'],
  ...['enableEnvoyAccessLogService', 'disableEnvoyListenerLog', 'inboundTrafficPolicy'],
  ...['configSources', 'enableAutoMtls', 'trustDomainAliases', 'caCertificates', 'defaultServiceExportTo'],
  ...['defaultVirtualServiceExportTo', 'defaultDestinationRuleExportTo', 'localityLbSetting', 'dnsRefreshRate'],
  ...['h2UpgradePolicy', 'inboundClusterStatName', 'outboundClusterStatName', 'certificates', 'serviceSettings'],
  ...['verifyCertificateAtClient', 'ca', 'discoverySelectors', 'pathNormalization', 'defaultHttpRetryPolicy'],
  ...['meshMTLS', 'tlsDefaults', 'hboneIdleTimeout', 'serviceScopeConfigs'],
] as const;

/** All of them. */
export const MESH_FIELDS: readonly string[] = [...HONOURED_MESH_FIELDS, ...HARMLESS, ...OTHERS];

/** Whether a setting has the effect that Istio's documentation says, as far as there can be any here. */
export function isHonouredOrHarmless(field: string): boolean {
  return QUIET.has(field);
}

const QUIET: ReadonlySet<string> = new Set([...HONOURED_MESH_FIELDS, ...HARMLESS]);
