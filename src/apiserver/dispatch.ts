// From a request for a resource to the handler of its verb.

import { answerReview, isReview } from './access-reviews.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import { attributesOf, authorize } from './authorization.ts';
import { deleteCollection, deleteOne } from './deletion.ts';
import { list } from './lists/list.ts';
import { answerLogs } from './logs.ts';
import { finalizeNamespace } from './namespaces/finalize.ts';
import { changeScale, getScale } from './scale.ts';
import { badRequest, methodNotAllowed, noSuchPath } from './status.ts';
import { createToken } from './token-request.ts';
import { create, get, patch, update } from './verbs.ts';
import { watch } from './watch/watch.ts';

/**
 * Answers a request for a resource.
 *
 * @returns undefined when the handler has answered by itself, or goes on doing so
 * @throws ApiError
 */
export async function dispatch(call: ApiCall, context: ApiContext): Promise<Answer | undefined> {
  const { info, resource } = call;
  const { kind } = resource;
  const { verb, namespace, name, subresource } = info;
  if (verb === undefined) throw methodNotAllowed();
  authorize(call.user, attributesOf(info), context.store.snapshot);
  if (namespace !== '' && !kind.namespaced) throw noSuchPath();
  if (subresource !== '') {
    const declared = kind.subresources.find((each) => each.name === subresource);
    if (declared === undefined || info.rest.length > 0) throw noSuchPath();
    if (!declared.verbs.includes(verb)) throw methodNotAllowed();
    requireNamespace(call);
    if (subresource === 'log') {
      await answerLogs(call, context);
      return undefined;
    }
    return answerSubresource(call, context);
  }
  if (!kind.verbs.includes(verb)) throw methodNotAllowed();
  if (isReview(resource)) return answerReview(call, context);
  switch (verb) {
    case 'list':
      return list(call, context);
    case 'watch':
      watch(call, context);
      return undefined;
    case 'deletecollection':
      requireNamespace(call);
      return deleteCollection(call, context);
    case 'create':
      if (name !== '') throw methodNotAllowed();
      requireNamespace(call);
      return create(call, context);
    case 'get':
      requireNamespace(call);
      return get(call, context);
    case 'update':
      requireNamespace(call);
      if (name === '') throw methodNotAllowed();
      return update(call, context);
    case 'patch':
      requireNamespace(call);
      if (name === '') throw methodNotAllowed();
      return patch(call, context);
    case 'delete':
      requireNamespace(call);
      return deleteOne(call, context);
  }
}

/** One object of a namespaced kind stands in a namespace. */
function requireNamespace({ resource, info }: ApiCall): void {
  if (resource.kind.namespaced && info.namespace === '')
    throw badRequest(`the path has no namespace: ${resource.plural} are in namespaces`);
}

function answerSubresource(call: ApiCall, context: ApiContext): Answer | Promise<Answer> {
  const { verb, subresource } = call.info;
  if (subresource === 'status') {
    if (verb === 'get') return get(call, context);
    return verb === 'patch' ? patch(call, context) : update(call, context);
  }
  if (subresource === 'scale') return verb === 'get' ? getScale(call, context) : changeScale(call, context);
  if (subresource === 'token') return createToken(call, context);
  if (subresource === 'finalize') return finalizeNamespace(call, context);
  // exec, attach, portforward
  throw badRequest('Upgrade request required');
}
