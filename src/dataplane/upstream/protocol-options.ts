// How HTTP is spoken to a cluster: `typed_extension_protocol_options` and the older fields on the cluster itself.

import { anyUnpack } from '@bufbuild/protobuf/wkt';
import type { Cluster } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { HttpProtocolOptionsSchema } from '../../xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { ConfigError } from '../connection.ts';
import { durationMs } from './duration.ts';

const KEY = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HOUR = 3_600_000;

/** The options that matter to HTTP/1.1. */
export interface HttpOptions {
  /** 0: none. */
  readonly idleTimeoutMs: number;
  /** 0: no limit. */
  readonly maxRequestsPerConnection: number;
  /** Most header lines of a response. */
  readonly maxResponseHeaders: number;
  /** The SNI of a connection is the host of the request it is made for. */
  readonly autoSni: boolean;
  /** The server's certificate must be for that host. */
  readonly autoSanValidation: boolean;
}

/** @throws ConfigError where the cluster asks for another protocol than HTTP/1.1 */
export function httpProtocolOptions(config: Cluster): HttpOptions {
  const where = `Cluster ${config.name}`;
  let common = config.commonHttpProtocolOptions;
  let upstream = config.upstreamHttpProtocolOptions;
  for (const [key, any] of Object.entries(config.typedExtensionProtocolOptions)) {
    const options = key === KEY ? anyUnpack(any, HttpProtocolOptionsSchema) : undefined;
    if (options === undefined) {
      throw new ConfigError(`${where}: typed_extension_protocol_options[${key}]: not supported; only ${KEY} is`);
    }
    common = options.commonHttpProtocolOptions ?? common;
    upstream = options.upstreamHttpProtocolOptions ?? upstream;
    const protocol = options.upstreamProtocolOptions;
    if (
      protocol.case === 'explicitHttpConfig' &&
      protocol.value.protocolConfig.case !== undefined &&
      protocol.value.protocolConfig.case !== 'httpProtocolOptions'
    ) {
      throw new ConfigError(
        `${where}: typed_extension_protocol_options: explicit_http_config.${protocol.value.protocolConfig.case} is not supported; upstreams are spoken to in HTTP/1.1`,
      );
    }
  }
  return {
    idleTimeoutMs: durationMs(common?.idleTimeout, HOUR),
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? config.maxRequestsPerConnection ?? 0,
    maxResponseHeaders: common?.maxHeadersCount ?? 100,
    autoSni: upstream?.autoSni ?? false,
    autoSanValidation: upstream?.autoSanValidation ?? false,
  };
}
