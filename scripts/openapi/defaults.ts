// Defaults that the npm packages of models leave out: those of the Gateway API's kinds, and in Kubernetes' those of fields by which the
// entries of a list are told apart (the others are in `resources/defaults/kubernetes.ts`).
// https://gateway-api.sigs.k8s.io/reference/spec/ (v1), https://kubernetes.io/docs/reference/kubernetes-api/

const ANY_PATH = { type: 'PathPrefix', value: '/' };
const SERVICE = { group: '', kind: 'Service' };
const BACKEND = { ...SERVICE, weight: 1 };
const SAME_NAMESPACE = { from: 'Same' };
const ROUTES_OF_NAMESPACE = { namespaces: SAME_NAMESPACE };

const GATEWAY_API: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  AllowedListeners: { namespaces: { from: 'None' } },
  AllowedRoutes: ROUTES_OF_NAMESPACE,
  BackendObjectReference: SERVICE,
  BackendRef: BACKEND,
  CookieConfig: { lifetimeType: 'Session' },
  Fraction: { denominator: 100 },
  FrontendTLSValidation: { mode: 'AllowValidOnly' },
  GRPCBackendRef: BACKEND,
  GRPCHeaderMatch: { type: 'Exact' },
  GRPCMethodMatch: { type: 'Exact' },
  GatewaySpecAddress: { type: 'IPAddress' },
  HTTPBackendRef: BACKEND,
  HTTPCORSFilter: { maxAge: 5 },
  HTTPHeaderMatch: { type: 'Exact' },
  HTTPPathMatch: ANY_PATH,
  HTTPQueryParamMatch: { type: 'Exact' },
  HTTPRequestRedirectFilter: { statusCode: 302 },
  HTTPRouteMatch: { path: ANY_PATH },
  HTTPRouteRule: { matches: [{ path: ANY_PATH }] },
  HTTPRouteSpec: { rules: [{ matches: [{ path: ANY_PATH }] }] },
  Listener: { allowedRoutes: ROUTES_OF_NAMESPACE },
  ListenerEntry: { allowedRoutes: ROUTES_OF_NAMESPACE },
  ListenerNamespaces: { from: 'None' },
  ListenerTLSConfig: { mode: 'Terminate' },
  ParentReference: { group: 'gateway.networking.k8s.io', kind: 'Gateway' },
  RouteNamespaces: SAME_NAMESPACE,
  SecretObjectReference: { group: '', kind: 'Secret' },
  SessionPersistence: { type: 'Cookie' },
};

const TCP = { protocol: 'TCP' };

/** Definition → property → its default. */
export const DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  ...Object.fromEntries(
    Object.entries(GATEWAY_API).map(([name, defaults]) => [`io.k8s.networking.gateway.v1.${name}`, defaults]),
  ),
  'io.k8s.api.core.v1.ContainerPort': TCP,
  'io.k8s.api.core.v1.ServicePort': TCP,
};
