// Decodes a RouteConfiguration beside the one it replaces: of ten thousand virtual hosts, only those whose bytes changed are decoded
// anew; the others are the very objects of before, so that whoever compiled them can tell.

import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { asBuffer } from './as-buffer.ts';
import { type VirtualHost, VirtualHostSchema } from './gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';

/** The encoded form of each virtual host that was decoded here, for as long as the message lives. */
const encodedForms = new WeakMap<VirtualHost, Buffer>();

const VIRTUAL_HOSTS = RouteConfigurationSchema.field.virtualHosts.number;

/**
 * Decodes a RouteConfiguration.
 * @param previous an earlier version, decoded by this function
 * @throws Error where the bytes are not a RouteConfiguration
 */
export function decodeRouteConfiguration(
  bytes: Uint8Array,
  previous: RouteConfiguration | undefined,
): RouteConfiguration {
  const known = new Map(previous?.virtualHosts.map((virtualHost) => [virtualHost.name, virtualHost]));
  const virtualHosts: VirtualHost[] = [];
  const rest = new BinaryWriter();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [field, wireType] = reader.tag();
    if (field === VIRTUAL_HOSTS && wireType === WireType.LengthDelimited) {
      virtualHosts.push(decodeVirtualHost(asBuffer(reader.bytes()), known));
    } else {
      reader.skip(wireType, field);
      rest.raw(bytes.subarray(start, reader.pos));
    }
  }
  const message = fromBinary(RouteConfigurationSchema, rest.finish());
  message.virtualHosts = virtualHosts;
  return message;
}

function decodeVirtualHost(bytes: Buffer, known: ReadonlyMap<string, VirtualHost>): VirtualHost {
  const before = known.get(leadingName(bytes) ?? '');
  if (before !== undefined && encodedForms.get(before)?.equals(bytes)) return before;
  const virtualHost = fromBinary(VirtualHostSchema, bytes);
  // A copy: a slice would keep the whole response in memory.
  encodedForms.set(virtualHost, Buffer.from(bytes));
  return virtualHost;
}

/**
 * The `name` of an encoded resource or virtual host, where it comes first: it is field 1 of all of them, and encoders write fields in order.
 */
export function leadingName(bytes: Uint8Array): string | undefined {
  if (bytes[0] !== 0x0a) return undefined; // field 1, length-delimited
  let length = 0;
  let at = 1;
  for (let shift = 0; at < bytes.length; shift += 7) {
    const byte = bytes[at++] as number;
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return asBuffer(bytes).toString('utf8', at, at + length);
    if (shift > 21) return undefined;
  }
  return undefined;
}
