// Takes the labels out of a dotted statistic name, as the `stats_tags` of Istio's bootstrap have Envoy do it.
// https://github.com/istio/istio (tools/packaging/common/envoy_bootstrap.json, stats_config)

/** A name without the parts that became labels. */
export interface TaggedName {
  /** Dotted, without the `envoy_` prefix: `cluster.upstream_rq`. */
  readonly name: string;
  readonly labels: readonly (readonly [label: string, value: string])[];
}

/** What the statistics of a cluster begin with, after its name. It tells where a name with dots ends. */
const CLUSTER_STATISTIC =
  /\.(?=(?:assignment_|bind_errors|canary\.|circuit_breakers\.|client_ssl_socket_factory\.|default\.|external\.|health_check\.|http1\.|http2\.|init_fetch_timeout|internal\.|lb_|max_host_weight|membership_|metadata_exchange\.|original_dst_host_invalid|outlier_detection\.|retry_or_shadow_abandoned|ssl\.|tcp_proxy\.|tls\.|update_|upstream_|version|warming_state|zone\.))/;

/** An address as listener and HTTP statistics carry it: `0.0.0.0_8080`, `[__]_8080`. */
const ADDRESS = /^(?:[_.\d]+|[_[\]aAbBcCdDeEfF\d]+)(?=\.)/;

/**
 * @param name a dotted name: `cluster.outbound|80||web.default.svc.cluster.local.upstream_rq_200`
 * @returns the name less its labels, and the labels in Envoy's order: `cluster.upstream_rq`, response_code="200", cluster_name="outbound|80||web…"
 */
export function extractTags(name: string): TaggedName {
  const labels: [string, string][] = [];
  let rest = name;
  const code = /_rq_(\d{3}|\dxx)$/.exec(rest);
  if (code !== null) {
    labels.push([code[1]!.endsWith('xx') ? 'response_code_class' : 'response_code', code[1]!]);
    rest = rest.slice(0, -4);
  }
  if (rest.startsWith('cluster.')) {
    const after = rest.slice('cluster.'.length);
    // Istio's own expression ends a name at its first dot unless `.svc.cluster.local` follows, which cuts `outbound|443||httpbin.org` in two.
    const end = CLUSTER_STATISTIC.exec(after)?.index ?? after.indexOf('.');
    if (end > 0) {
      labels.push(['cluster_name', after.slice(0, end)]);
      rest = `cluster${after.slice(end)}`;
    }
  } else if (rest.startsWith('tcp.')) {
    const end = rest.lastIndexOf('.');
    if (end > 'tcp.'.length) {
      labels.push(['tcp_prefix', rest.slice('tcp.'.length, end)]);
      rest = `tcp${rest.slice(end)}`;
    }
  } else if (rest.startsWith('http.')) {
    const address = ADDRESS.exec(rest.slice('http.'.length))?.[0];
    if (address !== undefined) {
      labels.push(['http_conn_manager_prefix', address]);
      rest = `http${rest.slice('http.'.length + address.length)}`;
    }
  } else if (rest.startsWith('listener.')) {
    const address = ADDRESS.exec(rest.slice('listener.'.length))?.[0];
    if (address !== undefined) {
      labels.push(['listener_address', address]);
      rest = `listener${rest.slice('listener.'.length + address.length)}`;
    }
  }
  return { name: rest, labels };
}
