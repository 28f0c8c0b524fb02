// What a gRPC library reads from the file that $GRPC_XDS_BOOTSTRAP names: where the control plane is, and who asks it.
// https://github.com/grpc/proposal/blob/master/A27-xds-global-load-balancing.md#xdsclient-and-bootstrap-file

import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { formatHostPort, type HostPort } from './host-port.ts';
import { type ProxyIdentity, proxyNode } from './proxy-node.ts';

/** What such a file is made of. */
export interface GrpcBootstrapOptions {
  identity: ProxyIdentity;
  xds: HostPort;
}

/** The file's content. Its node has what makes Istio's control plane, and ours, answer in the form gRPC takes. */
export function grpcBootstrap({ identity, xds }: GrpcBootstrapOptions): JsonObject {
  const node = toJson(NodeSchema, proxyNode(identity, { GENERATOR: 'grpc' })) as JsonObject;
  return {
    xds_servers: [
      {
        server_uri: formatHostPort(xds),
        channel_creds: [{ type: 'insecure' }],
        server_features: ['xds_v3'],
      },
    ],
    // The library for Node.js insists on a locality.
    node: { ...node, locality: {} },
  };
}
