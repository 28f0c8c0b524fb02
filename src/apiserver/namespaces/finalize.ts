// The subresource `finalize` of namespaces: what empties a namespace says here that it is done.

import { valueAt } from '../../resources/field-path.ts';
import type { Answer, ApiCall, ApiContext } from '../api-call.ts';
import { asObject, decodeBody } from '../body.ts';
import { notFound } from '../status.ts';
import { hasFinalizers } from '../writes/write-object.ts';

/** Takes `spec.finalizers` of the body over. @throws ApiError */
export async function finalizeNamespace(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const body = asObject(decodeBody(await call.body(), call.contentType));
  const given = valueAt(body, ['spec', 'finalizers']);
  const finalizers = Array.isArray(given) ? given.filter((finalizer) => typeof finalizer === 'string') : [];
  const object = await context.store.transact((writer) => {
    const current = writer.get(resource.key('', info.name));
    if (current === undefined) throw notFound(resource, info.name);
    const next = { ...current, spec: { ...(current.spec as object | undefined), finalizers } };
    const put = writer.put(next);
    if (current.metadata.deletionTimestamp === undefined || hasFinalizers(next)) return put;
    return writer.delete(resource.key('', info.name)) ?? put;
  });
  return { status: 200, body: resource.show(object) };
}
