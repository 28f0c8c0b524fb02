// Filters that a stock Envoy does not have, and Istio's control plane sends: which of them only report on traffic. Leaving those out changes no
// byte of it. Anything else that is unknown is refused, since leaving out, say, an authorization filter would open what it closes.

import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Any } from '@bufbuild/protobuf/wkt';

/** Why a reporting filter is left out, for the log. */
export const REPORTS_ONLY = 'left out: it only reports on traffic';

const TYPED_STRUCTS = new Set([
  'type.googleapis.com/udpa.type.v1.TypedStruct',
  'type.googleapis.com/xds.type.v3.TypedStruct',
]);

const REPORTING_TYPES = new Set([
  'io.istio.http.peer_metadata.Config',
  'envoy.tcp.metadataexchange.config.MetadataExchange',
  'stats.PluginConfig',
  'envoy.extensions.filters.http.grpc_stats.v3.FilterConfig',
  // Up to Istio 1.17 these two were plugins in WebAssembly: by their names alone they are known.
  ...['istio.stats', 'istio.metadata_exchange'].flatMap((name) => [
    `${name} envoy.extensions.filters.http.wasm.v3.Wasm`,
    `${name} envoy.extensions.filters.network.wasm.v3.Wasm`,
  ]),
]);

/** The message type that a filter is configured with: a TypedStruct says it in its `type_url`. Without `type.googleapis.com/`. */
export function filterType(any: Any | undefined): string {
  if (any === undefined) return '';
  const url = TYPED_STRUCTS.has(any.typeUrl) ? typeOfStruct(any.value) : any.typeUrl;
  return url.slice(url.lastIndexOf('/') + 1);
}

/** Whether a filter only reports on traffic. @param type of filterType */
export function reportsOnly(name: string, type: string): boolean {
  return REPORTING_TYPES.has(type) || REPORTING_TYPES.has(`${name} ${type}`);
}

/** Field 1 of a TypedStruct; '' where the bytes are none. */
function typeOfStruct(bytes: Uint8Array): string {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) return reader.string();
      reader.skip(wireType, field);
    }
  } catch {
    // Bytes that can't be read name no type that is known.
  }
  return '';
}
