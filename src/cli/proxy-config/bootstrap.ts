// `limen proxy-config bootstrap -o short`: which version a proxy is.

import type { BootstrapConfigDump } from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import type { Node } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import type { Row } from '../table.ts';

/** The lines, each a label and a version; those that the proxy does not tell are missing. */
export function bootstrapRows({ bootstrap }: BootstrapConfigDump): Row[] {
  const node = bootstrap?.node;
  const rows: Row[] = [];
  const add = (label: string, value: unknown) => {
    if (typeof value === 'string' && value !== '') rows.push([label, value]);
  };
  if (node === undefined) return rows;
  add('Istio Version:', node.metadata?.ISTIO_VERSION);
  const sha = node.metadata?.ISTIO_PROXY_SHA; // istio-proxy:436f365a…
  add('Istio Proxy Version:', typeof sha === 'string' ? sha.slice(sha.lastIndexOf(':') + 1) : undefined);
  const agent = node.userAgentName || 'envoy';
  add(`${agent.charAt(0).toUpperCase()}${agent.slice(1)} Version:`, userAgentVersion(node));
  return rows;
}

/** `1.40.0/Clean/RELEASE/BoringSSL`: the version, then what the build says of itself. */
function userAgentVersion({ userAgentVersionType: version }: Node): string | undefined {
  if (version.case === 'userAgentVersion') return version.value;
  if (version.case !== 'userAgentBuildVersion') return undefined;
  const { majorNumber = 0, minorNumber = 0, patch = 0 } = version.value.version ?? {};
  const build = ['revision.status', 'build.type', 'ssl.version'].map((key) => version.value.metadata?.[key]);
  return [`${majorNumber}.${minorNumber}.${patch}`, ...build.filter((value) => typeof value === 'string')].join('/');
}
