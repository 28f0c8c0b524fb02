// Which client addresses are internal: `internal_address_config`. None by default, as in Envoy since 1.33.

import { BlockList, isIP } from 'node:net';
import type { HttpConnectionManager_InternalAddressConfig } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ConfigError } from '../connection.ts';

/** @returns a test of an IP (remembering nothing). @throws ConfigError for a range that is none */
export function compileInternalAddresses(
  config: HttpConnectionManager_InternalAddressConfig | undefined,
): (ip: string) => boolean {
  if (config === undefined || config.cidrRanges.length === 0) return () => false;
  const ranges = new BlockList();
  for (const { addressPrefix, prefixLen } of config.cidrRanges) {
    const version = isIP(addressPrefix);
    if (version === 0) {
      throw new ConfigError(
        `HttpConnectionManager: internal_address_config.cidr_ranges: expected an IP address, got "${addressPrefix}"`,
      );
    }
    ranges.addSubnet(addressPrefix, prefixLen ?? 0, version === 4 ? 'ipv4' : 'ipv6');
  }
  return (ip) => ranges.check(ip, ip.includes(':') ? 'ipv6' : 'ipv4');
}
