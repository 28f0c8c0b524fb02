// Where a resource names another one's source: the stream of ADS, or (secrets only) the cluster of another xDS server.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/config_source.proto

import type { ConfigSource } from '../../xds/gen/envoy/config/core/v3/config_source_pb.js';
import { ConfigError } from '../connection.ts';
import { durationMs } from '../upstream/duration.ts';

/** The source of what came without one, too: there is no other. */
export const ADS = 'ads';

/** Where and how long. */
export interface Source {
  /** 'ads', or the name of the cluster of an `api_config_source`. */
  readonly source: string;
  /** `initial_fetch_timeout` in milliseconds: Infinity for 0, undefined where it is not set. */
  readonly waitMs: number | undefined;
}

/** @param config one that was checked */
export function configSourceOf(config: ConfigSource | undefined): Source {
  const waitMs =
    config?.initialFetchTimeout === undefined
      ? undefined
      : durationMs(config.initialFetchTimeout, 0) || Number.POSITIVE_INFINITY;
  const specifier = config?.configSourceSpecifier;
  if (specifier?.case !== 'apiConfigSource') return { source: ADS, waitMs };
  const target = specifier.value.grpcServices[0]?.targetSpecifier;
  const source =
    target?.case === 'envoyGrpc'
      ? target.value.clusterName
      : target?.case === 'googleGrpc'
        ? target.value.targetUri
        : specifier.value.clusterNames[0];
  return { source: source ?? '', waitMs };
}

/** @throws ConfigError where routes or endpoints are to come from elsewhere than ADS: nothing would ask there, and ADS may not have them */
export function requireAds(config: ConfigSource | undefined, field: string): void {
  const specifier = config?.configSourceSpecifier.case;
  if (specifier === 'apiConfigSource' || specifier === 'path' || specifier === 'pathConfigSource')
    throw new ConfigError(`${field}.${snake(specifier)}: not supported, expected ads`);
}

/** @throws ConfigError where a secret is to come out of a file: it is asked for over gRPC only */
export function requireGrpc(config: ConfigSource | undefined, field: string): void {
  const specifier = config?.configSourceSpecifier.case;
  if (specifier === 'path' || specifier === 'pathConfigSource')
    throw new ConfigError(`${field}.${snake(specifier)}: not supported, expected ads or api_config_source`);
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
