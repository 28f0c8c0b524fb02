// Who a request is from: the administrator by a client certificate or by the bearer token, a ServiceAccount by a token of its own, or nobody.

import { createHash, timingSafeEqual, type X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { isJwt, serviceAccountUser } from './service-account-tokens.ts';
import { forbidden, unauthorized } from './status.ts';

/** An authenticated user, as SelfSubjectReview says it. */
export interface User {
  name: string;
  groups: readonly string[];
  uid?: string;
  extra?: Readonly<Record<string, readonly string[]>>;
}

/** Decides who a request is from. Undefined: it brings no credentials. Throws ApiError 401 where it brings wrong ones. */
export type Authenticate = (request: IncomingMessage) => User | undefined;

const ADMIN: User = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };

/**
 * Authentication by the administrator's token, by those of ServiceAccounts, and by certificates of the CA, whose subject is the user (CN the name, O the groups).
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
 *
 * @param token the administrator's
 * @param review whose a token is that has the form of a JWT
 */
export function createAuthentication(token: string, review: (jwt: string) => User | undefined): Authenticate {
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
    if (bearer === undefined) throw unauthorized();
    if (timingSafeEqual(digest(bearer), expected)) return ADMIN;
    const user = isJwt(bearer) ? review(bearer) : undefined;
    if (user === undefined) throw unauthorized();
    return user;
  };
}

/**
 * The user a request acts as: itself, or with `kubectl --as` another.
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
 *
 * @param mayImpersonate whether the user who asks may act as others
 * @throws ApiError 403
 */
export function actingUser(
  user: User,
  { headers, headersDistinct }: Pick<IncomingMessage, 'headers' | 'headersDistinct'>,
  mayImpersonate: (user: User) => boolean,
): User {
  const name = headers['impersonate-user'];
  const groups = headersDistinct['impersonate-group'] ?? [];
  if (name === undefined && groups.length === 0) return user;
  if (typeof name !== 'string' || name === '')
    throw forbidden({ group: '', plural: 'users' }, '', 'Impersonate-Group needs an Impersonate-User');
  if (!mayImpersonate(user))
    throw forbidden(
      { group: '', plural: 'users' },
      name,
      `User ${JSON.stringify(user.name)} cannot impersonate resource "users" in API group "" at the cluster scope`,
    );
  const [, , namespace, account] = /^system:serviceaccount:/.test(name) ? name.split(':') : [];
  const own = namespace !== undefined && account !== undefined ? serviceAccountUser(namespace, account).groups : [];
  const base = groups.length > 0 ? groups : own;
  return { name, groups: [...new Set([...base, 'system:authenticated'])] };
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
