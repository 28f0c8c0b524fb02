// What a gRPC library reads from the file that $GRPC_XDS_BOOTSTRAP names: where the control plane is, and who asks it.
// https://github.com/grpc/proposal/blob/master/A27-xds-global-load-balancing.md#xdsclient-and-bootstrap-file

import { type JsonObject, toJson } from '@bufbuild/protobuf';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import type { XdsTlsFiles } from './envoy/bootstrap.ts';
import { formatHostPort, type HostPort } from './host-port.ts';
import { type ProxyIdentity, proxyNode } from './proxy-node.ts';

/** What such a file is made of. */
export interface GrpcBootstrapOptions {
  identity: ProxyIdentity;
  xds: HostPort;
  /** Default: plain text. Libraries that do not know the credentials `tls` (that of Node.js) refuse it. */
  tls?: XdsTlsFiles | undefined;
}

/** The file's content. Its node has what makes Istio's control plane, and ours, answer in the form gRPC takes. */
export function grpcBootstrap({ identity, xds, tls }: GrpcBootstrapOptions): JsonObject {
  const node = toJson(NodeSchema, proxyNode(identity, { GENERATOR: 'grpc' })) as JsonObject;
  return {
    xds_servers: [
      {
        server_uri: formatHostPort(xds),
        channel_creds: [tls === undefined ? { type: 'insecure' } : { type: 'tls', config: filesOf(tls) }],
        server_features: ['xds_v3'],
      },
    ],
    // The library for Node.js insists on a locality.
    node: { ...node, locality: {} },
  };
}

/** https://github.com/grpc/proposal/blob/master/A65-xds-mtls-creds-in-bootstrap.md */
function filesOf({ ca, cert, key }: XdsTlsFiles): JsonObject {
  return {
    ca_certificate_file: ca,
    ...(cert === undefined || key === undefined ? {} : { certificate_file: cert, private_key_file: key }),
  };
}
