// The bounds of a client's HTTP/2 connection: Envoy's Http2ProtocolOptions as the options of node:http2.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/core/v3/protocol.proto#config-core-v3-http2protocoloptions

import type { ServerSessionOptions } from 'node:http2';
import type { Http2ProtocolOptions } from '../../xds/gen/envoy/config/core/v3/protocol_pb.js';
import { ConfigError } from '../connection.ts';

/** Envoy's default, as of its release 1.36. */
const MAX_CONCURRENT_STREAMS = 1024;

/**
 * RFC 9113's own initial window. Envoy's default is 16 MiB for a stream and 24 MiB for the connection, of which it takes back what it has not
 * passed on; node:http2 gives connection credit back as bytes arrive. So what one client can make us hold is streams × this.
 */
const STREAM_WINDOW = 65_535;

/** Credit for all streams together, so that one of them does not wait for the acknowledgements of others. */
const CONNECTION_WINDOW = 1024 * 1024;

/** What nghttp2 counts for a header beyond its name and value (RFC 7541 section 4.1). */
const HEADER_OVERHEAD = 32;

/** How HTTP/2 is spoken on one connection manager. */
export interface Http2Options {
  readonly session: ServerSessionOptions;
  readonly connectionWindow: number;
}

/**
 * Names the bounds that are ours to set. Those of nghttp2 that stay as they are: 1000 acknowledgements of PING and SETTINGS waiting to be
 * written, 1000 resets by the client and 33 more a second (CVE-2023-44487), 8 CONTINUATION frames a header block (CVE-2024-28182); of Node:
 * 1000 frames that are not valid, empty DATA frames among them, 32 entries of SETTINGS, 10 MB of memory a connection.
 *
 * @param maxHeadBytes of name and value of all headers; what is above is refused by us, what is far above by nghttp2
 * @throws ConfigError for what cannot be served
 */
export function compileHttp2Options(
  options: Http2ProtocolOptions | undefined,
  maxHeadBytes: number,
  maxHeaders: number,
): Http2Options {
  if (options?.allowConnect === true) throw new ConfigError('http2_protocol_options.allow_connect: not supported');
  return {
    session: {
      settings: {
        enablePush: false,
        maxConcurrentStreams: options?.maxConcurrentStreams ?? MAX_CONCURRENT_STREAMS,
        initialWindowSize: options?.initialStreamWindowSize ?? STREAM_WINDOW,
        headerTableSize: options?.hpackTableSize ?? 4096,
        maxHeaderListSize: maxHeadBytes + HEADER_OVERHEAD * (maxHeaders + 1),
      },
      // One more than we accept, so that it is we who refuse and say so.
      maxHeaderListPairs: Math.max(2 * maxHeaders, 16),
      // A second Date or ETag of an upstream is passed on, as over HTTP/1.1.
      strictSingleValueFields: false,
    },
    connectionWindow: options?.initialConnectionWindowSize ?? CONNECTION_WINDOW,
  };
}
