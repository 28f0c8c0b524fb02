// `limen proxy-status` as a table, in istioctl's columns, and below it why a proxy refused what it was sent.

import { TypeUrl } from '../../xds/resources.ts';
import { formatTable, type Row } from '../table.ts';
import { formatAge } from './age.ts';
import type { ClientConfig, ConfigStatus, SyncStatus, XdsConfig } from './sync-status.ts';

/** How much a table shows. */
export interface StatusTable {
  /** 0: a column of the subscribed types, as istioctl from 1.27 on; 1: a column a type with its state. */
  verbosity: 0 | 1;
  /** Milliseconds since 1970: what ages are counted to. */
  now: number;
}

/** istioctl's distance between columns. */
const PADDING = 5;
/** What istioctl says of a type that a proxy did not ask for. */
const IGNORED = 'IGNORED';
const ECDS = 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig';

/** The columns, in istioctl's order; those of `always` are there whether or not a proxy has them. */
const TYPES: readonly { typeUrl: string; name: string; always: boolean }[] = [
  { typeUrl: TypeUrl.Cluster, name: 'CDS', always: true },
  { typeUrl: TypeUrl.Listener, name: 'LDS', always: true },
  { typeUrl: TypeUrl.ClusterLoadAssignment, name: 'EDS', always: true },
  { typeUrl: TypeUrl.RouteConfiguration, name: 'RDS', always: true },
  { typeUrl: ECDS, name: 'ECDS', always: true },
  { typeUrl: TypeUrl.Secret, name: 'SDS', always: false },
];

/** The whole text, a newline at its end. */
export function formatStatus(status: SyncStatus, { verbosity, now }: StatusTable): string {
  const proxies = status.resources.toSorted((a, b) => (proxyName(a) < proxyName(b) ? -1 : 1));
  const { ID } = JSON.parse(status.controlPlane.identifier) as { ID: string };
  const shown = TYPES.filter(({ typeUrl, always }) => always || proxies.some((proxy) => configOf(proxy, typeUrl)));
  const rows: Row[] =
    verbosity === 0
      ? [['NAME', 'CLUSTER', 'ISTIOD', 'VERSION', 'SUBSCRIBED TYPES']]
      : [['NAME', 'CLUSTER', ...shown.map(({ name }) => name), 'ISTIOD', 'VERSION']];
  for (const proxy of proxies) {
    const { clusterId, version } = nodeOf(proxy);
    if (verbosity === 0) {
      const types = TYPES.filter(({ typeUrl }) => configOf(proxy, typeUrl)).map(({ name }) => name);
      const subscribed = types.length === 0 ? '0' : `${types.length} (${types.join(',')})`;
      rows.push([proxyName(proxy), clusterId, ID, version, subscribed]);
    } else {
      const states = shown.map(({ typeUrl }) => describe(configOf(proxy, typeUrl), now));
      rows.push([proxyName(proxy), clusterId, ...states, ID, version]);
    }
  }
  return formatTable(rows, PADDING) + refusals(proxies);
}

/** `istio-ingressgateway-0.istio-system`, of the node's id. */
export function proxyName(proxy: ClientConfig): string {
  const { id } = nodeOf(proxy);
  const parts = id.split('~');
  return parts.length === 4 ? (parts[2] as string) : id;
}

function refusals(proxies: readonly ClientConfig[]): string {
  const lines = proxies.flatMap((proxy) =>
    TYPES.flatMap(({ typeUrl, name }) => {
      const refusal = configOf(proxy, typeUrl)?.errorState;
      // Envoy's reasons may be of several lines.
      return refusal === undefined
        ? []
        : [`${proxyName(proxy)} refused ${name}: ${refusal.details.trim().replace(/\s*\n\s*/g, ' ')}`];
    }),
  );
  return lines.length === 0
    ? ''
    : `\n${formatTable(
        lines.map((line) => [line]),
        PADDING,
      )}`;
}

function describe(config: XdsConfig | undefined, now: number): string {
  switch (config?.configStatus) {
    case undefined:
    case 'UNKNOWN':
      return IGNORED;
    case 'NOT_SENT':
      return 'NOT SENT';
    default: {
      const { configStatus, lastUpdated } = config as XdsConfig;
      return lastUpdated === undefined ? configStatus : `${configStatus} (${formatAge(now - Date.parse(lastUpdated))})`;
    }
  }
}

/** Virtual hosts that come by themselves are a part of the routes, as in what `limen proxy-config routes` shows. */
function configOf(proxy: ClientConfig, typeUrl: string): XdsConfig | undefined {
  const of = (url: string) => proxy.genericXdsConfigs.find((config) => config.typeUrl === url);
  const config = of(typeUrl);
  const virtualHosts = typeUrl === TypeUrl.RouteConfiguration ? of(TypeUrl.VirtualHost) : undefined;
  if (config === undefined || virtualHosts === undefined) return config;
  const [worst] = [config, virtualHosts].toSorted(
    (a, b) => BEST_FIRST.indexOf(b.configStatus) - BEST_FIRST.indexOf(a.configStatus),
  );
  const lastUpdated = [config.lastUpdated, virtualHosts.lastUpdated]
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
  return { ...(worst as XdsConfig), ...(lastUpdated === undefined ? {} : { lastUpdated }) };
}

const BEST_FIRST: readonly ConfigStatus[] = ['SYNCED', 'UNKNOWN', 'NOT_SENT', 'STALE', 'ERROR'];

interface NodeJson {
  id?: string;
  metadata?: { CLUSTER_ID?: unknown; ISTIO_VERSION?: unknown };
  userAgentName?: string;
  userAgentVersion?: string;
  userAgentBuildVersion?: { version?: { majorNumber?: number; minorNumber?: number; patch?: number } };
}

/** What the columns show of a node. The version is Istio's, where the proxy is one of Istio's, else its own: Limen's proxy has both. */
function nodeOf({ node }: ClientConfig): { id: string; clusterId: string; version: string } {
  const { id = '', metadata = {}, userAgentName, userAgentVersion, userAgentBuildVersion } = node as NodeJson;
  const { CLUSTER_ID: clusterId, ISTIO_VERSION: istio } = metadata;
  const build = userAgentBuildVersion?.version;
  const own = build && `${build.majorNumber ?? 0}.${build.minorNumber ?? 0}.${build.patch ?? 0}`;
  return {
    id,
    clusterId: typeof clusterId === 'string' ? clusterId : '',
    version: typeof istio === 'string' && userAgentName !== 'limen' ? istio : (userAgentVersion ?? own ?? ''),
  };
}
