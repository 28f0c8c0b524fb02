// What a failed connect is called in Envoy's access log (`upstream_transport_failure_reason`).

import { tlsFailure } from './transport-socket.ts';

/** @param error of a socket that did not connect */
export function connectFailure(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'delayed connect error: Connection refused';
    case 'EHOSTUNREACH':
      return 'delayed connect error: No route to host';
    case 'ENETUNREACH':
      return 'immediate connect error: Network is unreachable';
    case 'ECONNRESET':
      return 'delayed connect error: Connection reset by peer';
    case 'ETIMEDOUT':
      return 'delayed connect error: Connection timed out';
    default:
      return tlsFailure(error) ?? `delayed connect error: ${error.message}`;
  }
}
