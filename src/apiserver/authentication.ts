// Who a request is from: the administrator by a client certificate or by the bearer token, or nobody.

import { createHash, timingSafeEqual, type X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { unauthorized } from './status.ts';

/** An authenticated user, as SelfSubjectReview says it. */
export interface User {
  name: string;
  groups: readonly string[];
}

/** Decides who a request is from. Undefined: it brings no credentials. Throws ApiError 401 where it brings wrong ones. */
export type Authenticate = (request: IncomingMessage) => User | undefined;

const ADMIN: User = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

/**
 * Authentication by the one token there is, and by certificates of the CA, whose subject is the user (CN the name, O the groups).
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
 */
export function createAuthentication(token: string): Authenticate {
  const expected = digest(token);
  /** Of each connection with a certificate: its user, once. */
  const users = new WeakMap<TLSSocket, User>();
  return (request) => {
    const { authorization } = request.headers;
    const socket = request.socket as TLSSocket;
    if (socket.authorized) {
      const known = users.get(socket);
      if (known !== undefined) return known;
      const user = userOf(socket.getPeerX509Certificate());
      if (user !== undefined) {
        users.set(socket, user);
        return user;
      }
    }
    if (authorization === undefined) return undefined;
    const bearer = /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
    // Compared by digest: neither the length nor the matching part of the token shows in the time it takes.
    if (bearer === undefined || !timingSafeEqual(digest(bearer), expected)) throw unauthorized();
    return ADMIN;
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function userOf(certificate: X509Certificate | undefined): User | undefined {
  const fields = (certificate?.subject ?? '').split('\n');
  const of = (prefix: string) =>
    fields.filter((field) => field.startsWith(prefix)).map((field) => field.slice(prefix.length));
  const [name] = of('CN=');
  return name === undefined ? undefined : { name, groups: [...of('O='), 'system:authenticated'] };
}
