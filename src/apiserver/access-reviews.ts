// Questions that are answered and not stored: who am I, and may I?
// https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access

import { valueAt } from '../resources/field-path.ts';
import type { Snapshot } from '../resources/snapshot.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import type { ApiResource } from './api-resource.ts';
import type { User } from './authentication.ts';
import { mayAsk, mayDo, rulesFor } from './authorization.ts';
import { decodeBody } from './body.ts';
import { ISSUER } from './service-account-tokens.ts';
import { checkFields } from './writes/admission.ts';
import { incomingObject } from './writes/incoming-object.ts';
import { writeOptions } from './writes/write-options.ts';

/** What each kind of question is answered with, in `status`. */
const ANSWERS: Readonly<Record<string, (object: object, user: User, context: ApiContext) => object>> = {
  'SelfSubjectReview.authentication.k8s.io': (_, user) => ({ userInfo: userInfo(user) }),
  'TokenReview.authentication.k8s.io': (object, _, { tokens, store, clock }) => {
    const asked = valueAt(object, ['spec', 'audiences']) as string[] | undefined;
    const token = (valueAt(object, ['spec', 'token']) ?? '') as string;
    const reviewed = tokens.review(token, asked ?? [ISSUER], clock(), store.snapshot);
    if (reviewed === undefined) return { user: {}, error: 'invalid bearer token' };
    return { authenticated: true, user: userInfo(reviewed.user), audiences: reviewed.audiences };
  },
  'SelfSubjectAccessReview.authorization.k8s.io': (object, user, { store }) => ({
    allowed: isAllowed(object, user, store.snapshot),
  }),
  'SubjectAccessReview.authorization.k8s.io': (object, _, { store }) => {
    const name = (valueAt(object, ['spec', 'user']) ?? '') as string;
    const groups = (valueAt(object, ['spec', 'groups']) ?? []) as string[];
    return { allowed: isAllowed(object, { name, groups }, store.snapshot) };
  },
  'SelfSubjectRulesReview.authorization.k8s.io': (object, user, { store }) => {
    const namespace = (valueAt(object, ['spec', 'namespace']) ?? '') as string;
    const rules = rulesFor(user, namespace, store.snapshot);
    return {
      resourceRules: rules.filter(({ nonResourceURLs }) => nonResourceURLs === undefined),
      nonResourceRules: rules.filter(({ nonResourceURLs }) => nonResourceURLs !== undefined),
      incomplete: false,
    };
  },
};

function userInfo({ name, uid, groups, extra }: User): object {
  return { username: name, ...(uid === undefined ? {} : { uid }), groups, ...(extra === undefined ? {} : { extra }) };
}

/** @param object whose spec says what somebody would do */
function isAllowed(object: object, user: User, snapshot: Snapshot): boolean {
  const text = (...path: string[]) => (valueAt(object, ['spec', ...path]) ?? '') as string;
  if (valueAt(object, ['spec', 'nonResourceAttributes']) !== undefined)
    return mayAsk(
      user,
      { verb: text('nonResourceAttributes', 'verb'), path: text('nonResourceAttributes', 'path') },
      snapshot,
    );
  const of = (field: string) => text('resourceAttributes', field);
  const subresource = of('subresource');
  const resource = of('resource') + (subresource === '' ? '' : `/${subresource}`);
  const wanted = { verb: of('verb'), group: of('group'), resource, namespace: of('namespace'), name: of('name') };
  return mayDo(user, wanted, snapshot);
}

/** Whether a resource's objects are questions. */
export function isReview({ kindId }: ApiResource): boolean {
  return Object.hasOwn(ANSWERS, kindId);
}

/** @throws ApiError */
export async function answerReview(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const { fieldValidation } = writeOptions(call, 'CreateOptions');
  const incoming = incomingObject(decodeBody(await call.body(), call.contentType), resource, info);
  const object = checkFields(incoming, resource, fieldValidation, call.warn);
  return { status: 201, body: { ...object, status: ANSWERS[resource.kindId]!(object, call.user, context) } };
}
