// Tokens of ServiceAccounts: JWTs that this API server signs and takes. https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens

import { createPrivateKey, createPublicKey, type KeyObject, randomUUID, sign, verify } from 'node:crypto';
import { type FieldPath, valueAt } from '../resources/field-path.ts';
import type { Snapshot } from '../resources/snapshot.ts';
import { KIND_IDS } from '../resources/types.ts';
import type { User } from './authentication.ts';

/** Who issues the tokens, and whom they are for unless a request says otherwise. */
export const ISSUER = 'https://kubernetes.default.svc';

/** An object by name and uid: another one of the same name is another object. */
export interface Bound {
  name: string;
  uid: string;
}

/** What a token says. */
export interface TokenClaims {
  namespace: string;
  serviceAccount: Bound;
  audiences: readonly string[];
  /** The object that the token ends with. */
  boundTo?: Bound & { kind: 'Pod' | 'Secret' };
  issuedAt: Date;
  expiresAt: Date;
}

/** Signs tokens, and finds out whose a token is. */
export interface TokenAuthority {
  /** A new token. */
  issue(claims: TokenClaims): string;
  /**
   * @param audiences that the token must be for one of
   * @returns undefined for what is no token of this authority, is not valid now, or whose ServiceAccount or bound object is gone
   */
  review(token: string, audiences: readonly string[], now: Date, snapshot: Snapshot): TokenReviewed | undefined;
}

/** A token that is good. */
export interface TokenReviewed {
  user: User;
  /** Those of the audiences that the token is for. */
  audiences: string[];
}

const HEADER = { alg: 'ES256', typ: 'JWT' } as const;
/** Longer ones are none of ours. */
const MAX_LENGTH = 8192;

/** @param pem the key that signs: ECDSA P-256, PKCS #8 */
export function tokenAuthority(pem: string): TokenAuthority {
  const privateKey = createPrivateKey(pem);
  const publicKey = createPublicKey(privateKey);
  return {
    issue: (claims) => {
      const text = `${encode(HEADER)}.${encode(payloadOf(claims))}`;
      const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
      return `${text}.${signature.toString('base64url')}`;
    },
    review: (token, audiences, now, snapshot) => {
      const payload = verifiedPayload(token, publicKey);
      return payload === undefined ? undefined : reviewed(payload, audiences, now, snapshot);
    },
  };
}

/** Whether a bearer token has the form of a JWT. */
export function isJwt(token: string): boolean {
  return token.split('.').length === 3;
}

function payloadOf({ namespace, serviceAccount, audiences, boundTo, issuedAt, expiresAt }: TokenClaims): object {
  const { name, uid } = serviceAccount;
  const issued = secondsOf(issuedAt);
  return {
    aud: audiences,
    exp: secondsOf(expiresAt),
    iat: issued,
    iss: ISSUER,
    jti: randomUUID(),
    'kubernetes.io': {
      namespace,
      ...(boundTo === undefined ? {} : { [boundTo.kind.toLowerCase()]: { name: boundTo.name, uid: boundTo.uid } }),
      serviceaccount: { name, uid },
    },
    nbf: issued,
    sub: `system:serviceaccount:${namespace}:${name}`,
  };
}

function verifiedPayload(token: string, publicKey: KeyObject): unknown {
  if (token.length > MAX_LENGTH) return undefined;
  const [header = '', payload = '', signature = '', ...more] = token.split('.');
  // One header and no other: a token that names another algorithm is none of ours.
  if (more.length > 0 || header !== encode(HEADER)) return undefined;
  const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')))
    return undefined;
  return JSON.parse(Buffer.from(payload, 'base64url').toString()); // signed by us: it is what we wrote
}

function reviewed(
  payload: unknown,
  wanted: readonly string[],
  now: Date,
  snapshot: Snapshot,
): TokenReviewed | undefined {
  const claim = <Value>(...path: FieldPath) => valueAt(payload, path) as Value;
  const time = secondsOf(now);
  const audiences = wanted.filter((audience) => claim<string[]>('aud').includes(audience));
  if (audiences.length === 0 || time < claim<number>('nbf') || time >= claim<number>('exp')) return undefined;
  const namespace = claim<string>('kubernetes.io', 'namespace');
  const isThere = (kindId: string, bound: Bound | undefined) =>
    bound === undefined || snapshot.getOf(kindId, namespace, bound.name)?.metadata.uid === bound.uid;
  const serviceAccount = claim<Bound>('kubernetes.io', 'serviceaccount');
  const pod = claim<Bound | undefined>('kubernetes.io', 'pod');
  const stands =
    isThere(KIND_IDS.ServiceAccount, serviceAccount) &&
    isThere(KIND_IDS.Pod, pod) &&
    isThere(KIND_IDS.Secret, claim<Bound | undefined>('kubernetes.io', 'secret'));
  if (!stands) return undefined;
  const extra = {
    'authentication.kubernetes.io/credential-id': [`JTI=${claim<string>('jti')}`],
    ...(pod === undefined
      ? {}
      : {
          'authentication.kubernetes.io/pod-name': [pod.name],
          'authentication.kubernetes.io/pod-uid': [pod.uid],
        }),
  };
  return { user: { ...serviceAccountUser(namespace, serviceAccount.name), uid: serviceAccount.uid, extra }, audiences };
}

/** The user that a ServiceAccount is. */
export function serviceAccountUser(namespace: string, name: string): User {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  };
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function secondsOf(time: Date): number {
  return Math.floor(time.getTime() / 1000);
}
