// The subresource `scale`: the number of replicas of an object, whatever its kind. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/

import { valueAt } from '../resources/field-path.ts';
import type { ResourceObject } from '../resources/object.ts';
import { withoutNulls } from '../resources/without-nulls.ts';
import type { Answer, ApiCall, ApiContext } from './api-call.ts';
import type { ApiResource } from './api-resource.ts';
import { asObject, decodeBody, decodeJson, mediaType } from './body.ts';
import { badRequest, conflict, invalid, MODIFIED, notFound } from './status.ts';
import { formatSelector } from './tables/printers/workloads.ts';
import { patchedObject, writeOf } from './verbs.ts';
import { updateObject } from './writes/write-object.ts';
import { writeOptions } from './writes/write-options.ts';

/** autoscaling/v1 Scale. */
interface Scale {
  kind: 'Scale';
  apiVersion: 'autoscaling/v1';
  metadata: Record<string, unknown>;
  spec: { replicas?: number };
  status: { replicas: number; selector?: string };
}

/** Where an object of a kind keeps its numbers. */
function pathsOf({ kind }: ApiResource): { spec: string[]; status: string[]; selector: string[] } {
  const scale = kind.subresources.find(({ name }) => name === 'scale')?.scale;
  const segments = (path: string) => path.split('.').filter((segment) => segment !== '');
  return {
    spec: segments(scale?.specReplicasPath ?? '.spec.replicas'),
    status: segments(scale?.statusReplicasPath ?? '.status.replicas'),
    selector: segments(scale === undefined ? '.spec.selector' : (scale.labelSelectorPath ?? '')),
  };
}

function scaleOf(object: ResourceObject, resource: ApiResource): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const paths = pathsOf(resource);
  const replicas = valueAt(object, paths.spec) as number | undefined;
  const selector = paths.selector.length === 0 ? undefined : valueAt(object, paths.selector);
  const text =
    typeof selector === 'object' ? formatSelector(selector as Parameters<typeof formatSelector>[0]) : selector;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === undefined ? {} : { replicas },
    status: {
      replicas: (valueAt(object, paths.status) as number | undefined) ?? 0,
      ...(typeof text === 'string' ? { selector: text } : {}),
    },
  };
}

/** @throws ApiError */
export function getScale({ resource, info }: ApiCall, { store }: ApiContext): Answer {
  const object = store.snapshot.getOf(resource.kindId, info.namespace, info.name);
  if (object === undefined) throw notFound(resource, info.name);
  return { status: 200, body: scaleOf(object, resource) };
}

/** Update and patch. @throws ApiError */
export async function changeScale(call: ApiCall, context: ApiContext): Promise<Answer> {
  const { resource, info } = call;
  const isPatch = info.verb === 'patch';
  const options = writeOptions(call, isPatch ? 'PatchOptions' : 'UpdateOptions');
  const body = await call.body();
  const given = isPatch ? decodeJson(body) : asObject(decodeBody(body, call.contentType));
  const result = await context.store.transact((writer) => {
    const current = writer.get(resource.key(info.namespace, info.name));
    if (current === undefined) throw notFound(resource, info.name);
    const before = scaleOf(current, resource);
    const after = withoutNulls(
      isPatch ? patchedObject(before, mediaType(call.contentType), given, call) : given,
    ) as Partial<Scale>;
    const { resourceVersion } = after.metadata ?? {};
    if (resourceVersion !== undefined && resourceVersion !== '' && resourceVersion !== current.metadata.resourceVersion)
      throw conflict(resource, info.name, MODIFIED);
    const replicas = after.spec?.replicas ?? 0;
    if (typeof replicas !== 'number') throw badRequest('Scale: spec.replicas: expected a number');
    if (!Number.isInteger(replicas) || replicas < 0)
      throw invalid({ group: 'autoscaling', kind: 'Scale' }, info.name, [
        {
          reason: 'FieldValueInvalid',
          field: 'spec.replicas',
          message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
        },
      ]);
    const scaled = withValue(resource.show(current), pathsOf(resource).spec, replicas) as ResourceObject;
    const write = { ...writeOf(call, context, writer, options), subresource: '' };
    return updateObject(write, current, scaled);
  });
  return { status: 200, body: scaleOf(result, resource) };
}

function withValue(object: unknown, [segment, ...rest]: readonly string[], value: unknown): unknown {
  if (segment === undefined) return value;
  const fields = (object ?? {}) as Record<string, unknown>;
  return { ...fields, [segment]: withValue(fields[segment], rest, value) };
}
