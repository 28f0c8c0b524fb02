// Local replies to gRPC requests. A gRPC client reads the status of its own protocol, so the answer is 200 with "trailers only": grpc-status
// and grpc-message among the headers, and no body.
// https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses

import type { HeaderList } from './header-list.ts';
import type { LocalReply } from './local-reply.ts';

const CONTENT_TYPE = 'application/grpc';

/** Statuses of HTTP as those of gRPC. https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md */
const STATUSES: ReadonlyMap<number, string> = new Map([
  [400, '13'], // INTERNAL
  [401, '16'], // UNAUTHENTICATED
  [403, '7'], // PERMISSION_DENIED
  [404, '12'], // UNIMPLEMENTED
  [429, '14'], // UNAVAILABLE
  [502, '14'],
  [503, '14'],
  [504, '14'],
]);
const UNKNOWN = '2';

/** Whether a request is gRPC by its content-type: `application/grpc`, `application/grpc+proto`. gRPC-Web is not. */
export function isGrpcRequest(headers: HeaderList): boolean {
  const type = headers.get('content-type');
  if (type === undefined || !type.startsWith(CONTENT_TYPE)) return false;
  return type.length === CONTENT_TYPE.length || type[CONTENT_TYPE.length] === '+';
}

/**
 * The same answer in gRPC's terms. Its headers are changed in place; a grpc-status and grpc-message that the route set stay.
 *
 * @param message what would have been the body; '' for none
 */
export function grpcReply(reply: LocalReply, message: string): LocalReply {
  const { headers, status, grpcStatus } = reply;
  headers.remove('content-length');
  headers.set('content-type', CONTENT_TYPE);
  if (grpcStatus !== undefined) headers.set('grpc-status', String(grpcStatus));
  else if ((headers.get('grpc-status') ?? '') === '') headers.set('grpc-status', STATUSES.get(status) ?? UNKNOWN);
  if (message !== '' && !headers.has('grpc-message')) headers.add('grpc-message', percentEncoded(message));
  return { ...reply, status: 200, body: '' };
}

// Status messages are UTF-8, percent-encoded: as Envoy does, all but printable ASCII, with "%" and "~" encoded too.
function percentEncoded(message: string): string {
  let text = '';
  for (const byte of Buffer.from(message)) {
    const plain = byte >= 0x20 && byte < 0x7e && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}
