// Questions that are answered and not stored: who am I, and may I? The one user there is may do everything.
// https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access

import { valueAt } from '../resources/field-path.ts';
import type { Answer, ApiCall } from './api-call.ts';
import type { ApiResource } from './api-resource.ts';
import { decodeBody } from './body.ts';
import { checkFields } from './writes/admission.ts';
import { incomingObject } from './writes/incoming-object.ts';
import { writeOptions } from './writes/write-options.ts';

const ADMINISTRATORS = 'system:masters';

/** What each kind of question is answered with, in `status`. */
const ANSWERS: Readonly<Record<string, (object: object, call: ApiCall) => object>> = {
  'SelfSubjectReview.authentication.k8s.io': (_, { user }) => ({
    userInfo: { username: user.name, groups: user.groups },
  }),
  'SelfSubjectAccessReview.authorization.k8s.io': (_, { user }) => ({ allowed: user.groups.includes(ADMINISTRATORS) }),
  'SubjectAccessReview.authorization.k8s.io': (object) => {
    const groups = valueAt(object, ['spec', 'groups']);
    return { allowed: Array.isArray(groups) && groups.includes(ADMINISTRATORS) };
  },
  'SelfSubjectRulesReview.authorization.k8s.io': (_, { user }) => {
    const isAdministrator = user.groups.includes(ADMINISTRATORS);
    return {
      resourceRules: isAdministrator ? [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }] : [],
      nonResourceRules: isAdministrator ? [{ verbs: ['*'], nonResourceURLs: ['*'] }] : [],
      incomplete: false,
    };
  },
};

/** Whether a resource's objects are questions. */
export function isReview({ kindId }: ApiResource): boolean {
  return Object.hasOwn(ANSWERS, kindId);
}

/** @throws ApiError */
export async function answerReview(call: ApiCall): Promise<Answer> {
  const { resource, info } = call;
  const { fieldValidation } = writeOptions(call, 'CreateOptions');
  const incoming = incomingObject(decodeBody(await call.body(), call.contentType), resource, info);
  const object = checkFields(incoming, resource, fieldValidation, call.warn);
  return { status: 201, body: { ...object, status: ANSWERS[resource.kindId]!(object, call) } };
}
