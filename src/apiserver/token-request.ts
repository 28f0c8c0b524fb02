// The subresource `token` of ServiceAccounts: `kubectl create token`. https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/

import { formatFieldPath, valueAt } from '../resources/field-path.ts';
import { timestamp } from '../resources/timestamp.ts';
import { KIND_IDS } from '../resources/types.ts';
import { withoutNulls } from '../resources/without-nulls.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import { asObject, decodeBody } from './body.ts';
import { ISSUER, type TokenClaims } from './service-account-tokens.ts';
import { badRequest, conflict, invalid, notFound, type StatusCause } from './status.ts';
import { writeOptions } from './writes/write-options.ts';

const GROUP = 'authentication.k8s.io';
const HOUR_SECONDS = 60 * 60;
const MIN_SECONDS = 10 * 60;
const MAX_SECONDS = 2 ** 32;

/** A TokenRequest as far as the server reads it. */
interface TokenRequestSpec {
  audiences?: readonly string[];
  expirationSeconds?: number;
  boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
}

/**
 * Makes a token for the ServiceAccount of the path.
 *
 * @throws ApiError 404 when it, or the object the token is to be bound to, is not there; 422 for a time that is too short or too long
 */
export async function createToken(call: ApiCall, { store, tokens, clock }: ApiContext): Promise<Answer> {
  const { info, resource } = call;
  const { namespace, name } = info;
  const { isDryRun } = writeOptions(call, 'CreateOptions');
  const body = withoutNulls(asObject(decodeBody(await call.body(), call.contentType)));
  if ((valueAt(body, ['kind']) ?? 'TokenRequest') !== 'TokenRequest')
    throw badRequest(`the kind in the data (${JSON.stringify(valueAt(body, ['kind']))}) is not TokenRequest`);
  const spec = (valueAt(body, ['spec']) ?? {}) as TokenRequestSpec;
  const { audiences = [], expirationSeconds = HOUR_SECONDS, boundObjectRef } = spec;
  check(name, audiences, expirationSeconds);
  const account = store.snapshot.getOf(KIND_IDS.ServiceAccount, namespace, name);
  if (account === undefined) throw notFound(resource, name);
  const bound = boundObjectRef && boundObject(boundObjectRef, call, store);
  const now = clock();
  const expiresAt = new Date(now.getTime() + expirationSeconds * 1000);
  const shownAudiences = audiences.length === 0 ? [ISSUER] : audiences;
  const token = tokens.issue({
    namespace,
    serviceAccount: { name, uid: account.metadata.uid ?? '' },
    audiences: shownAudiences,
    ...(bound === undefined ? {} : { boundTo: bound }),
    issuedAt: now,
    expiresAt,
  });
  return {
    status: 201,
    body: {
      kind: 'TokenRequest',
      apiVersion: `${GROUP}/v1`,
      metadata: { name, namespace, creationTimestamp: timestamp(now) },
      spec: { audiences: shownAudiences, expirationSeconds, ...(boundObjectRef && { boundObjectRef }) },
      status: { token: isDryRun ? '' : token, expirationTimestamp: timestamp(expiresAt) },
    },
  };
}

/** @throws ApiError 422 */
function check(name: string, audiences: unknown, lifetime: unknown): void {
  const causes: StatusCause[] = [];
  const refuse = (path: readonly string[], value: unknown, why: string) =>
    causes.push({
      reason: 'FieldValueInvalid',
      field: formatFieldPath(['spec', ...path]),
      message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
    });
  if (!Array.isArray(audiences) || audiences.some((audience) => typeof audience !== 'string'))
    refuse(['audiences'], audiences, 'must be a list of strings');
  if (typeof lifetime !== 'number' || !Number.isInteger(lifetime))
    refuse(['expirationSeconds'], lifetime, 'must be an integer');
  else if (lifetime < MIN_SECONDS)
    refuse(['expirationSeconds'], lifetime, 'may not specify a duration less than 10 minutes');
  else if (lifetime > MAX_SECONDS)
    refuse(['expirationSeconds'], lifetime, 'may not specify a duration larger than 2^32 seconds');
  if (causes.length > 0) throw invalid({ group: GROUP, kind: 'TokenRequest' }, name, causes);
}

/** @throws ApiError 404, 409 when it is another object of that name, 422 for a kind that tokens are not bound to */
function boundObject(
  { kind, name = '', uid }: NonNullable<TokenRequestSpec['boundObjectRef']>,
  { info }: ApiCall,
  store: ApiContext['store'],
): TokenClaims['boundTo'] {
  if (kind !== 'Pod' && kind !== 'Secret')
    throw invalid({ group: GROUP, kind: 'TokenRequest' }, info.name, [
      {
        reason: 'FieldValueNotSupported',
        field: 'spec.boundObjectRef.kind',
        message: `Unsupported value: ${JSON.stringify(kind ?? '')}: supported values: "Pod", "Secret"`,
      },
    ]);
  const resource = { group: '', plural: kind === 'Pod' ? 'pods' : 'secrets' };
  const found = store.snapshot.getOf(KIND_IDS[kind], info.namespace, name);
  if (found === undefined) throw notFound(resource, name);
  const known = found.metadata.uid ?? '';
  if (uid !== undefined && uid !== '' && uid !== known)
    throw conflict(
      resource,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return { kind, name, uid: known };
}
