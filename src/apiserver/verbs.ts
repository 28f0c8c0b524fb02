// The verbs on single objects: get, create, update, patch. (Lists, watches and deletions have files of their own.)

import { ApplyConflictError, serverSideApply } from '../resources/managed-fields/field-managers.ts';
import type { ResourceObject } from '../resources/object.ts';
import { applyJsonPatch } from '../resources/patch/json-patch.ts';
import { applyMergePatch } from '../resources/patch/merge-patch.ts';
import { PatchError } from '../resources/patch/patch-error.ts';
import { applyStrategicMergePatch } from '../resources/patch/strategic-merge-patch.ts';
import { timestamp } from '../resources/timestamp.ts';
import type { Writer } from '../store/store.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import { attributesOf, authorize } from './authorization.ts';
import { asObject, decodeBody, decodeJson, decodeYaml, mediaType } from './body.ts';
import { tooNew } from './lists/list.ts';
import { parseResourceVersion } from './lists/resource-version.ts';
import { represent } from './represent.ts';
import { ApiError, badRequest, invalid, notFound, unsupportedMediaType } from './status.ts';
import { checkFields, kindOf } from './writes/admission.ts';
import { incomingObject } from './writes/incoming-object.ts';
import { createObject, updateObject, type Write } from './writes/write-object.ts';
import { type WriteOptions, writeOptions } from './writes/write-options.ts';

/** @throws ApiError 404 */
export function get(call: ApiCall, context: ApiContext): Answer {
  const { info, resource, query } = call;
  const { snapshot } = context.store;
  const asked = parseResourceVersion(query.get('resourceVersion'));
  if (asked > snapshot.resourceVersion) throw tooNew(asked, snapshot.resourceVersion);
  const object = snapshot.getOf(resource.kindId, info.namespace, info.name);
  if (object === undefined) throw notFound(resource, info.name);
  return { status: 200, body: represent(object, call, context.clock()) };
}

/** @throws ApiError */
export async function create(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const options = writeOptions(call, 'CreateOptions');
  const incoming = incomingObject(decodeBody(await call.body(), call.contentType), resource, info);
  const object = checkFields(incoming, resource, options.fieldValidation, call.warn);
  const result = await context.store.transact((writer) =>
    createObject(writeOf(call, context, writer, options), object),
  );
  return { status: 201, body: represent(result, call, context.clock()) };
}

/** @throws ApiError */
export async function update(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const options = writeOptions(call, 'UpdateOptions');
  const incoming = incomingObject(decodeBody(await call.body(), call.contentType), resource, info);
  const object = checkFields(incoming, resource, options.fieldValidation, call.warn);
  const result = await context.store.transact((writer) => {
    const current = writer.get(resource.key(info.namespace, info.name));
    if (current === undefined) throw notFound(resource, info.name);
    if (resource.isCustom && !object.metadata.resourceVersion)
      throw invalid(kindOf(resource), info.name, [
        {
          reason: 'FieldValueInvalid',
          field: 'metadata.resourceVersion',
          message: 'Invalid value: 0x0: must be specified for an update',
        },
      ]);
    return updateObject(writeOf(call, context, writer, options), current, object);
  });
  return { status: 200, body: represent(result, call, context.clock()) };
}

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** @throws ApiError */
export async function patch(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const type = mediaType(call.contentType);
  const accepted = Object.values(PATCH_TYPES).filter((each) => !resource.isCustom || each !== PATCH_TYPES.strategic);
  if (!(accepted as string[]).includes(type)) throw unsupportedMediaType(type, accepted);
  const options = writeOptions(call, 'PatchOptions');
  const body = await call.body();
  if (type === PATCH_TYPES.apply) return apply(call, context, options, asObject(decodeYaml(body)));
  if (options.force)
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      { reason: 'FieldValueForbidden', field: 'force', message: 'Forbidden: may not be specified for non-apply patch' },
    ]);
  const instructions = decodeJson(body);
  const result = await context.store.transact((writer) => {
    const current = writer.get(resource.key(info.namespace, info.name));
    if (current === undefined) throw notFound(resource, info.name);
    const patched = patchedObject(resource.show(current), type, instructions, call);
    const object = checkFields(
      incomingObject(patched, resource, info),
      resource,
      options.fieldValidation,
      call.warn,
      (sentence) => strictPatchError(body.toString('utf8'), sentence),
    );
    return updateObject(writeOf(call, context, writer, options), current, object);
  });
  return { status: 200, body: represent(result, call, context.clock()) };
}

/** What a patch makes of an object. @throws ApiError */
export function patchedObject(current: object, type: string, instructions: unknown, { resource }: ApiCall): unknown {
  try {
    switch (type) {
      case PATCH_TYPES.json:
        return applyJsonPatch(current, instructions);
      case PATCH_TYPES.merge:
        return applyMergePatch(current, asObject(instructions));
      case PATCH_TYPES.strategic:
        return applyStrategicMergePatch(current, asObject(instructions), resource.fieldType);
      default:
        throw unsupportedMediaType(type, Object.values(PATCH_TYPES));
    }
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    throw error.reason === 'malformed' ? badRequest(error.message) : new ApiError(422, 'Invalid', error.message, {});
  }
}

/** kubectl prints it as `The request is invalid: patch: …`. */
function strictPatchError(patchText: string, sentence: string): ApiError {
  const cause = {
    reason: 'FieldValueInvalid',
    field: 'patch',
    message: `Invalid value: ${JSON.stringify(patchText)}: ${sentence}`,
  };
  return new ApiError(422, 'Invalid', ` "" is invalid: patch: ${cause.message}`, { causes: [cause] });
}

/** Server-side apply: creates the object when there is none. */
async function apply(
  call: ApiCall,
  context: ApiContext,
  options: WriteOptions,
  body: Record<string, unknown>,
): Promise<Answer> {
  const { resource, info } = call;
  if (!options.isManagerGiven)
    throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
      { reason: 'FieldValueRequired', field: 'fieldManager', message: 'Required value: is required for apply patch' },
    ]);
  if (body.apiVersion === undefined || body.kind === undefined)
    throw badRequest('an apply patch needs apiVersion and kind');
  const incoming = incomingObject(body, resource, info);
  if (incoming.metadata.managedFields !== undefined) throw badRequest('metadata.managedFields must be nil');
  // What is required may be there already: only the result has to be whole.
  const { status, object } = await context.store.transact((writer) => {
    const write = writeOf(call, context, writer, options);
    const current = writer.get(resource.key(info.namespace, info.name));
    const live = current === undefined ? undefined : resource.show(current);
    const { resourceVersion, uid, ...metadata } = incoming.metadata;
    const merged = applied(live, { ...incoming, metadata }, call, options, context.clock());
    if (current !== undefined && merged === live && resourceVersion === undefined)
      return { status: 200, object: current };
    const checked = checkFields(merged, resource, options.fieldValidation, call.warn);
    if (current === undefined) {
      if (info.subresource !== '') throw notFound(resource, info.name);
      // Whoever may patch may not thereby create.
      authorize(call.user, attributesOf({ ...info, verb: 'create' }), context.store.snapshot);
      return { status: 201, object: createObject(write, checked, true) };
    }
    const expected = {
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(uid === undefined ? {} : { uid }),
    };
    const given = { ...checked, metadata: { ...checked.metadata, ...expected } };
    return { status: 200, object: updateObject(write, current, given, true) };
  });
  return { status, body: represent(object, call, context.clock()) };
}

function applied(
  live: ResourceObject | undefined,
  wanted: ResourceObject,
  { resource, info }: ApiCall,
  { manager, force }: WriteOptions,
  now: Date,
): ResourceObject {
  try {
    const write = { manager, subresource: info.subresource, time: timestamp(now) };
    return serverSideApply<ResourceObject>(live, wanted, resource.fieldType, write, force);
  } catch (error) {
    if (!(error instanceof ApplyConflictError)) throw error;
    throw new ApiError(409, 'Conflict', error.message, {
      causes: error.conflicts.flatMap(({ manager: other, fields }) =>
        fields.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${other}`, field })),
      ),
    });
  }
}

/** A write of this call inside a transaction. */
export function writeOf(call: ApiCall, context: ApiContext, writer: Writer, options: WriteOptions): Write {
  const { resource, info, warn } = call;
  return { context, writer, resource, options, subresource: info.subresource, warn };
}
