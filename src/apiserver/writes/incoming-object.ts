// The object in the body of a request: it has to be the one that the path names.

import type { ResourceObject } from '../../resources/object.ts';
import { withoutNulls } from '../../resources/without-nulls.ts';
import type { ApiResource } from '../api-resource.ts';
import { asObject } from '../body.ts';
import type { ResourceRequest } from '../request-info.ts';
import { badRequest } from '../status.ts';

/**
 * A body as an object of the resource: with apiVersion and kind (where it says none, the path's), with `metadata.namespace` of the path, and
 * without nulls. Its fields are not checked yet.
 *
 * @throws ApiError 400 when it is an object of another kind, version, name or namespace
 */
export function incomingObject(body: unknown, resource: ApiResource, info: ResourceRequest): ResourceObject {
  const raw = withoutNulls(asObject(body)) as Record<string, unknown>;
  const { apiVersion = resource.apiVersion, kind = resource.kind.name } = raw;
  if (apiVersion !== resource.apiVersion)
    throw badRequest(
      `the API version in the data (${show(apiVersion)}) does not match the expected API version (${resource.apiVersion})`,
    );
  if (kind !== resource.kind.name)
    throw badRequest(`the kind in the data (${show(kind)}) does not match the expected kind (${resource.kind.name})`);
  const metadata = raw.metadata === undefined ? {} : raw.metadata;
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw badRequest(`${resource.kind.name}: metadata: expected an object`);
  const { name, namespace, ...rest } = metadata as Record<string, unknown>;
  for (const [field, value] of Object.entries({ name, namespace }))
    if (value !== undefined && typeof value !== 'string')
      throw badRequest(`${resource.kind.name}: metadata.${field}: expected a string, found ${typeof value}`);
  if (namespace !== undefined && namespace !== '' && namespace !== info.namespace && resource.kind.namespaced)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  if (info.name !== '' && name !== undefined && name !== '' && name !== info.name)
    throw badRequest(`the name of the object (${show(name)}) does not match the name on the URL (${info.name})`);
  const scoped = resource.kind.namespaced ? { namespace: info.namespace } : {};
  const named = info.name !== '' ? { name: info.name } : name === undefined || name === '' ? {} : { name };
  // What the client left out is looked for by the checks that follow.
  return { ...raw, apiVersion, kind, metadata: { ...named, ...scoped, ...rest } } as ResourceObject;
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
