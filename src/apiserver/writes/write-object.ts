// The way of an object into the store: what the client may not say is taken from what is there, defaults are filled in, the whole is
// checked, and who owns which field is noted. Everything here runs inside one transaction of the store.

import { kubernetesDefaults } from '../../resources/defaults/kubernetes.ts';
import { withSchemaDefaults } from '../../resources/defaults/schema.ts';
import { withDefaults } from '../../resources/defaults.ts';
import { hasGeneration } from '../../resources/kinds.ts';
import { trackUpdate } from '../../resources/managed-fields/field-managers.ts';
import type { ObjectMeta, ResourceObject } from '../../resources/object.ts';
import { timestamp } from '../../resources/timestamp.ts';
import type { Writer } from '../../store/store.ts';
import type { ApiContext } from '../api-call.ts';
import type { ApiResource } from '../api-resource.ts';
import { alreadyExists, badRequest, conflict, invalid, MODIFIED, type StatusCause } from '../status.ts';
import { admit, kindOf } from './admission.ts';
import { checkKindRules, newObjectOf, nextObjectOf } from './kind-rules.ts';
import { type NamespaceObject, requireActive } from './namespace-check.ts';
import { AddressError } from './service-addresses.ts';
import type { WriteOptions } from './write-options.ts';

/** One write under way. */
export interface Write {
  readonly context: ApiContext;
  readonly writer: Writer;
  readonly resource: ApiResource;
  readonly options: WriteOptions;
  /** '' or `status`. */
  readonly subresource: string;
  warn(text: string): void;
}

/** How often a generated name is tried anew when it is taken. */
const MAX_NAME_TRIES = 8;
const GENERATED_PREFIX_LENGTH = 58;

/**
 * Stores a new object.
 *
 * @param given as the client shows it, its fields checked
 * @param isManaged its managedFields are right already (server-side apply)
 * @returns as it is stored; with a dry run as it would be
 */
export function createObject(write: Write, given: ResourceObject, isManaged = false): ResourceObject {
  const { context, writer, resource, options } = write;
  const { resourceVersion, generateName } = given.metadata;
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== '0')
    throw badRequest('resourceVersion should not be set on objects to be created');
  const { namespace = '' } = given.metadata;
  const name = given.metadata.name || (generateName ? generatedName(write, namespace, generateName) : '');
  if (resource.kind.namespaced)
    requireActive(
      writer.get({ group: '', kind: 'Namespace', namespace: '', name: namespace }) as NamespaceObject | undefined,
      namespace,
      resource,
      name,
    );
  const fresh = newObjectOf({ ...given, metadata: { ...withoutServerFields(given.metadata), name } }, resource);
  const complete = withAllDefaults(write, fresh, undefined);
  const now = context.clock();
  admit(resource.toStored(complete), resource, now, write.warn);
  checkKindRules(complete, undefined, resource);
  if (writer.get(resource.key(namespace, name)) !== undefined) throw alreadyExists(resource, name);
  const tracked = isManaged ? complete : trackUpdate(undefined, complete, resource.fieldType, ownerOf(write, now));
  if (!options.isDryRun) return writer.put(resource.toStored(tracked));
  return {
    ...tracked,
    metadata: {
      ...tracked.metadata,
      uid: crypto.randomUUID(),
      ...(hasGeneration(tracked) ? { generation: 1 } : {}),
      creationTimestamp: timestamp(now),
    },
  };
}

/**
 * Stores a new version of an object. One that is being deleted and has no finalizer left goes.
 *
 * @param current as it is stored
 * @param given as the client shows it, its fields checked
 * @returns as it is stored; with a dry run as it would be
 */
export function updateObject(
  write: Write,
  current: ResourceObject,
  given: ResourceObject,
  isManaged = false,
): ResourceObject {
  const { context, writer, resource, options, subresource } = write;
  const { name } = current.metadata;
  checkPreconditions(given.metadata, current, resource);
  const before = resource.show(current);
  const candidate = carryOver(before, given, resource, subresource);
  checkFinalizers(before, candidate, resource);
  const complete =
    subresource === '' ? withAllDefaults(write, nextObjectOf(candidate, before, resource), before) : candidate;
  const now = context.clock();
  if (subresource === '') {
    admit(resource.toStored(complete), resource, now, write.warn);
    checkKindRules(complete, before, resource);
  }
  const tracked = isManaged ? complete : trackUpdate(before, complete, resource.fieldType, ownerOf(write, now));
  const result = resource.toStored(tracked);
  const isFinished = current.metadata.deletionTimestamp !== undefined && !hasFinalizers(result) && !isGraceful(current);
  if (options.isDryRun) return result;
  if (!isFinished) return writer.put(result);
  writer.put(result);
  return writer.delete(resource.key(current.metadata.namespace ?? '', name)) ?? result;
}

/** A pod in its grace period goes when its node says so. */
function isGraceful({ metadata }: ResourceObject): boolean {
  return (metadata.deletionGracePeriodSeconds ?? 0) > 0;
}

/** Whether something has to be done before an object may go. A Namespace keeps its own finalizers in its spec. */
export function hasFinalizers(object: ResourceObject): boolean {
  const own = object.kind === 'Namespace' ? ((object.spec as NamespaceObject['spec'])?.finalizers ?? []) : [];
  return (object.metadata.finalizers?.length ?? 0) + own.length > 0;
}

/** What only the server says of an object. */
const SERVER_FIELDS = new Set([
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
]);

function withoutServerFields(metadata: ObjectMeta): ObjectMeta {
  return Object.fromEntries(
    Object.entries(metadata).filter(([name]) => !SERVER_FIELDS.has(name)),
  ) as unknown as ObjectMeta;
}

function generatedName({ context, writer, resource }: Write, namespace: string, prefix: string): string {
  let name = '';
  for (let tries = 0; tries < MAX_NAME_TRIES; tries++) {
    name = prefix.slice(0, GENERATED_PREFIX_LENGTH) + context.randomSuffix();
    if (writer.get(resource.key(namespace, name)) === undefined) break;
  }
  return name;
}

function withAllDefaults(
  { context, resource }: Write,
  object: ResourceObject,
  before: ResourceObject | undefined,
): ResourceObject {
  const scoped = withDefaults(resource.kind, object);
  if (resource.isCustom) return withSchemaDefaults(scoped, resource.schema);
  const complete = kubernetesDefaults(resource.group, scoped);
  if (resource.kindId !== 'Service') return complete;
  try {
    return context.serviceAddresses.allocate(complete, before, context.store.snapshot.list('Service'));
  } catch (error) {
    if (error instanceof AddressError) throw invalid(kindOf(resource), object.metadata.name, error.causes);
    throw error;
  }
}

/** @throws ApiError 409 when the client speaks of another version or another object */
function checkPreconditions(
  { resourceVersion, uid }: ObjectMeta,
  current: ResourceObject,
  resource: ApiResource,
): void {
  const { metadata } = current;
  if (uid !== undefined && uid !== metadata.uid)
    throw conflict(
      resource,
      metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== metadata.resourceVersion)
    throw conflict(resource, metadata.name, MODIFIED);
}

/** What no client can change. */
const FIXED_FIELDS = new Set([...SERVER_FIELDS, 'namespace', 'generateName']);

/** What the client says, with what it can't change taken from what is there. */
function carryOver(
  current: ResourceObject,
  given: ResourceObject,
  resource: ApiResource,
  subresource: string,
): ResourceObject {
  if (subresource === 'status') {
    const { status: _, ...content } = current;
    const { managedFields } = given.metadata;
    return {
      ...content,
      ...(given.status === undefined ? {} : { status: given.status }),
      metadata: { ...current.metadata, ...(managedFields === undefined ? {} : { managedFields }) },
    };
  }
  const { deletionTimestamp: _, deletionGracePeriodSeconds: __, ...metadata } = given.metadata;
  const fixed = Object.fromEntries(Object.entries(current.metadata).filter(([name]) => FIXED_FIELDS.has(name)));
  const updated: ResourceObject = { ...given, metadata: { ...metadata, ...fixed, name: current.metadata.name } };
  if (!resource.has('status')) return updated;
  const { status: ___, ...content } = updated;
  return current.status === undefined ? content : { ...content, status: current.status };
}

/** An object that is being deleted gets no new finalizer. */
function checkFinalizers(current: ResourceObject, candidate: ResourceObject, resource: ApiResource): void {
  if (current.metadata.deletionTimestamp === undefined) return;
  const old = new Set(current.metadata.finalizers ?? []);
  const added = (candidate.metadata.finalizers ?? []).filter((finalizer) => !old.has(finalizer));
  if (added.length === 0) return;
  const cause: StatusCause = {
    reason: 'FieldValueForbidden',
    field: 'metadata.finalizers',
    message: `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{${added
      .map((finalizer) => JSON.stringify(finalizer))
      .join(', ')}}`,
  };
  throw invalid(kindOf(resource), current.metadata.name, [cause]);
}

function ownerOf({ options, subresource }: Write, now: Date): { manager: string; subresource: string; time: string } {
  return { manager: options.manager, subresource, time: timestamp(now) };
}
