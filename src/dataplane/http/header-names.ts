// The header names that the proxy itself acts on: one look-up of the name as received gives its lower-case spelling and its meaning.

/** What a header means to the proxy, as bits of `HeaderList.seen`. 0: nothing, it is only forwarded. */
export const Known = {
  Host: 1 << 0,
  ContentLength: 1 << 1,
  TransferEncoding: 1 << 2,
  Connection: 1 << 3,
  /** Hop-by-hop whatever Connection says: keep-alive, proxy-connection, te. RFC 9110 section 7.6.1 */
  HopByHop: 1 << 4,
  Upgrade: 1 << 5,
  Expect: 1 << 6,
  ForwardedFor: 1 << 7,
  ForwardedProto: 1 << 8,
  ForwardedClientCert: 1 << 9,
  RequestId: 1 << 10,
  /** `x-envoy-*` headers that only a trusted neighbour may send. */
  EnvoyInternal: 1 << 11,
  Via: 1 << 12,
  Server: 1 << 13,
  Date: 1 << 14,
  UpstreamServiceTime: 1 << 15,
  /** Several lines of these are joined with a comma (Envoy's inline headers); of all others each line is kept. */
  Joined: 1 << 16,
  /** `x-envoy-*` headers by which a request steers the router: router/forward-policy.ts takes them off. */
  RouterDirective: 1 << 17,
  /** `x-envoy-ratelimited` of a response: an Envoy behind us has refused it. */
  RateLimited: 1 << 18,
} as const;

/** What the router obeys, and takes off a request. */
const ROUTER_DIRECTIVES: readonly string[] = [
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-max-retries',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
];

/**
 * Removed from requests of clients outside (edge requests): they would steer the router, or pass for what a neighbour says.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/header_sanitizing
 */
export const ENVOY_INTERNAL_HEADERS: readonly string[] = [
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-internal',
  'x-envoy-ip-tags',
  'x-envoy-is-timeout-retry',
  'x-envoy-original-host',
  'x-envoy-original-path',
  'x-envoy-original-url',
  ...ROUTER_DIRECTIVES,
];

const BITS: readonly (readonly [name: string, bits: number])[] = [
  ['host', Known.Host],
  ['content-length', Known.ContentLength],
  ['transfer-encoding', Known.TransferEncoding],
  ['connection', Known.Connection],
  ['keep-alive', Known.HopByHop],
  ['proxy-connection', Known.HopByHop],
  ['te', Known.HopByHop],
  ['upgrade', Known.Upgrade],
  ['expect', Known.Expect],
  ['x-forwarded-for', Known.ForwardedFor | Known.Joined],
  ['x-forwarded-proto', Known.ForwardedProto | Known.Joined],
  ['x-forwarded-client-cert', Known.ForwardedClientCert | Known.Joined],
  ['x-request-id', Known.RequestId | Known.Joined],
  ['via', Known.Via | Known.Joined],
  ['server', Known.Server],
  ['date', Known.Date],
  ['x-envoy-upstream-service-time', Known.UpstreamServiceTime],
  ['accept', Known.Joined],
  ['accept-encoding', Known.Joined],
  ['authorization', Known.Joined],
  ['content-type', Known.Joined],
  ['user-agent', Known.Joined],
  ['accept-language', 0],
  ['accept-ranges', 0],
  ['cache-control', Known.Joined],
  ['connect-timeout', 0],
  ['content-encoding', 0],
  ['cookie', 0],
  ['etag', 0],
  ['if-modified-since', 0],
  ['if-none-match', Known.Joined],
  ['last-modified', 0],
  ['origin', Known.Joined],
  ['pragma', 0],
  ['referer', Known.Joined],
  ['set-cookie', 0],
  ['vary', 0],
  ['x-powered-by', 0],
  ['x-envoy-ratelimited', Known.RateLimited],
  // Envoy hears this one from clients outside too.
  ['x-envoy-upstream-stream-duration-ms', Known.RouterDirective],
  ...ENVOY_INTERNAL_HEADERS.map(
    (name) => [name, Known.EnvoyInternal | (ROUTER_DIRECTIVES.includes(name) ? Known.RouterDirective : 0)] as const,
  ),
];

/** A name the proxy knows: its lower-case spelling and its bits. */
export interface KnownName {
  readonly name: string;
  readonly bits: number;
}

/** The bits of names in lower case, together. */
export function knownBits(names: Iterable<string>): number {
  let bits = 0;
  for (const name of names) bits |= KNOWN_NAMES.get(name)?.bits ?? 0;
  return bits;
}

/** Known names in the two spellings that clients use: `x-request-id` and `X-Request-Id`. Other spellings are lower-cased first. */
export const KNOWN_NAMES: ReadonlyMap<string, KnownName> = new Map(
  BITS.flatMap(([name, bits]) => {
    const known: KnownName = { name, bits };
    const capitalized = name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
    return [
      [name, known],
      [capitalized, known],
    ] as const;
  }),
);
