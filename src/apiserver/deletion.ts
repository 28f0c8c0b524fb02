// `delete` and `deletecollection`: at once, or, where something has to be done first (finalizers, a namespace's content, a pod's grace
// period), by a deletionTimestamp. https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/

import { graceSecondsOf } from '../resources/grace-period.ts';
import { NODE_NAME } from '../resources/node.ts';
import type { ResourceObject } from '../resources/object.ts';
import { timestamp } from '../resources/timestamp.ts';
import type { Pod } from '../resources/types.ts';
import type { Writer } from '../store/store.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import type { ApiResource } from './api-resource.ts';
import { asObject, decodeBody } from './body.ts';
import { isBuiltInDefinition } from './built-in-definitions.ts';
import { DEFINITION } from './custom-resource-definition.ts';
import { Selection } from './lists/selection.ts';
import { represent } from './represent.ts';
import { isTrue } from './request-info.ts';
import { badRequest, conflict, forbidden, invalid, notFound, success } from './status.ts';
import { hasFinalizers } from './writes/write-object.ts';
import { writeOptions } from './writes/write-options.ts';

/** How what an object owns goes. */
type Propagation = 'Background' | 'Foreground' | 'Orphan';

/** DeleteOptions, from the body and the query. */
export interface DeleteOptions {
  isDryRun: boolean;
  propagation: Propagation;
  gracePeriodSeconds: number | undefined;
  preconditions: { uid?: string; resourceVersion?: string };
}

/** Any version of any object. */
export const NO_PRECONDITIONS: DeleteOptions['preconditions'] = {};

/** What the garbage collector does before an object may go. */
export const FOREGROUND_FINALIZER = 'foregroundDeletion';
export const ORPHAN_FINALIZER = 'orphan';

/** Namespaces without which nothing works. */
const KEPT_NAMESPACES = new Set(['default', 'kube-system', 'kube-public']);

/** @throws ApiError */
export async function deleteOne(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const options = await deleteOptions(call);
  const { object, isGone } = await context.store.transact((writer) => {
    const current = writer.get(resource.key(info.namespace, info.name));
    if (current === undefined) throw notFound(resource, info.name);
    return deleteObject(writer, current, resource, options, context);
  });
  const { name, uid } = object.metadata;
  const isShown = !isGone || resource.kindId === 'Pod' || resource.kindId === 'ServiceAccount';
  return { status: 200, body: isShown ? represent(object, call, context.clock()) : success(resource, name, uid) };
}

/** Deletes what a selection holds. @throws ApiError */
export async function deleteCollection(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info, query } = call;
  const options = await deleteOptions(call);
  const selection = new Selection(resource, info, query);
  const objects = await context.store.transact((writer) =>
    selection.of(context.store.snapshot).flatMap((listed) => {
      const current = writer.get(resource.key(listed.metadata.namespace ?? '', listed.metadata.name));
      return current === undefined ? [] : [deleteObject(writer, current, resource, options, context).object];
    }),
  );
  const items = objects.map((object) => resource.show(object));
  return {
    status: 200,
    body: { kind: `${resource.kind.name}List`, apiVersion: resource.apiVersion, metadata: {}, items },
  };
}

/**
 * Deletes an object, or marks it as one that is to go once its finalizers and its grace period are done.
 *
 * @returns the object as it is now, or as it last was
 * @throws ApiError 409 when the preconditions do not hold
 */
export function deleteObject(
  writer: Writer,
  current: ResourceObject,
  resource: ApiResource,
  { isDryRun, propagation, gracePeriodSeconds, preconditions }: DeleteOptions,
  context: ApiContext,
): { object: ResourceObject; isGone: boolean } {
  const now = context.clock();
  const { metadata } = current;
  const { uid, resourceVersion } = preconditions;
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(
      resource,
      metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion)
    throw conflict(
      resource,
      metadata.name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
  if (resource.kindId === 'Namespace' && KEPT_NAMESPACES.has(metadata.name))
    throw forbidden(resource, metadata.name, 'this namespace may not be deleted');
  if (resource.kindId === DEFINITION && isBuiltInDefinition(metadata.name))
    throw forbidden(resource, metadata.name, 'its kind is built in: it is served with its definition or without it');
  const finalizers = withPropagation(metadata.finalizers ?? [], propagation);
  const grace = resource.kindId === 'Pod' ? podGraceSeconds(current as Pod, gracePeriodSeconds, context) : 0;
  const candidate: ResourceObject = {
    ...current,
    ...(resource.kindId === 'Namespace' ? { status: { ...(current.status as object), phase: 'Terminating' } } : {}),
    metadata: {
      ...metadata,
      ...(finalizers.length > 0 || metadata.finalizers !== undefined ? { finalizers } : {}),
      deletionTimestamp: deletionTime(metadata.deletionTimestamp, now, grace),
      deletionGracePeriodSeconds: Math.min(grace, metadata.deletionGracePeriodSeconds ?? grace),
    },
  };
  const waits = hasFinalizers(candidate) || candidate.metadata.deletionGracePeriodSeconds! > 0;
  if (isDryRun) return { object: waits ? candidate : current, isGone: !waits };
  if (waits) return { object: writer.put(candidate), isGone: false };
  return { object: writer.delete(resource.key(metadata.namespace ?? '', metadata.name)) ?? current, isGone: true };
}

/** How long a pod has to end, in seconds; 0: it goes at once, since nobody runs it, or nobody any more. */
function podGraceSeconds(pod: Pod, asked: number | undefined, { podAccess }: ApiContext): number {
  const hasEnded = pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
  if (podAccess === undefined || pod.spec?.nodeName !== NODE_NAME || hasEnded) return 0;
  return asked ?? graceSecondsOf(pod);
}

/** When it is to be gone: a shorter grace period than before brings it forward. */
function deletionTime(before: string | undefined, now: Date, graceSeconds: number): string {
  const time = timestamp(now.getTime() + graceSeconds * 1000);
  return before !== undefined && before < time ? before : time;
}

function withPropagation(finalizers: readonly string[], propagation: Propagation): string[] {
  const others = finalizers.filter((finalizer) => finalizer !== FOREGROUND_FINALIZER && finalizer !== ORPHAN_FINALIZER);
  if (propagation === 'Foreground') return [...others, FOREGROUND_FINALIZER];
  if (propagation === 'Orphan') return [...others, ORPHAN_FINALIZER];
  return others;
}

async function deleteOptions(call: ApiCall): Promise<DeleteOptions> {
  const { isDryRun } = writeOptions(call, 'DeleteOptions');
  const { query } = call;
  const raw = await call.body();
  const body = raw.length === 0 ? {} : asObject(decodeBody(raw, call.contentType));
  if (body.kind !== undefined && body.kind !== 'DeleteOptions')
    throw badRequest(`the body of a deletion is a DeleteOptions, not a ${String(body.kind)}`);
  const grace = body.gracePeriodSeconds ?? numberOf(query.get('gracePeriodSeconds'), 'gracePeriodSeconds');
  if (grace !== undefined && grace !== null && (typeof grace !== 'number' || !Number.isInteger(grace) || grace < 0))
    throw invalidOption(
      'gracePeriodSeconds',
      `Invalid value: ${JSON.stringify(grace)}: must be a whole number from 0 up`,
    );
  const preconditions = asObject(body.preconditions ?? {});
  const textOf = (name: string) => (typeof preconditions[name] === 'string' ? { [name]: preconditions[name] } : {});
  const dryRun = Array.isArray(body.dryRun) ? body.dryRun : [];
  if (dryRun.some((value) => value !== 'All'))
    throw invalidOption('dryRun', `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`);
  return {
    isDryRun: isDryRun || dryRun.length > 0,
    propagation: propagationOf(body, query),
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
    preconditions: { ...textOf('uid'), ...textOf('resourceVersion') },
  };
}

function propagationOf(body: Record<string, unknown>, query: URLSearchParams): Propagation {
  const policy = body.propagationPolicy ?? query.get('propagationPolicy');
  if (policy === 'Background' || policy === 'Foreground' || policy === 'Orphan') return policy;
  if (policy !== undefined && policy !== null && policy !== '')
    throw invalidOption(
      'propagationPolicy',
      `Unsupported value: ${JSON.stringify(policy)}: supported values: "Foreground", "Background", "Orphan"`,
    );
  const orphan = body.orphanDependents ?? isTrue(query.get('orphanDependents'));
  return orphan === true ? 'Orphan' : 'Background';
}

function numberOf(text: string | null, name: string): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw badRequest(`${name}: ${JSON.stringify(text)} is no number`);
  return Number(text);
}

function invalidOption(field: string, message: string) {
  return invalid({ group: '', kind: 'DeleteOptions' }, '', [{ reason: 'FieldValueInvalid', field, message }]);
}
