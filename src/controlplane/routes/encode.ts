// Encodes a RouteConfiguration from virtual hosts that were encoded before: with ten thousand of them, one that changed costs one.

import { toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { type VirtualHost, VirtualHostSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { type RouteConfiguration, RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';

const encoded = new WeakMap<VirtualHost, Uint8Array>();

/**
 * The protobuf encoding. Virtual hosts must not change once they were encoded. Their field comes behind the others, which protobuf
 * allows: fields may stand in any order.
 */
export function encodeRouteConfiguration(message: RouteConfiguration): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  writer.raw(toBinary(RouteConfigurationSchema, { ...message, virtualHosts: [] }));
  for (const virtualHost of message.virtualHosts) {
    let bytes = encoded.get(virtualHost);
    if (bytes === undefined) {
      bytes = toBinary(VirtualHostSchema, virtualHost);
      encoded.set(virtualHost, bytes);
    }
    writer.tag(RouteConfigurationSchema.field.virtualHosts.number, WireType.LengthDelimited).bytes(bytes);
  }
  return writer.finish();
}
