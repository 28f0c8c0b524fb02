// What the API server adds to or changes in an object that arrives.

import { apiVersionOf, type Kind } from './kinds.ts';
import { kindId, type ResourceObject } from './object.ts';
import { KIND_IDS } from './types.ts';

/** The object as the store holds it: in the newest version of its kind (versions differ in `apiVersion` alone), `namespace: default` where none was written, a Secret's `stringData` folded into `data`. */
export function withDefaults(kind: Kind, object: ResourceObject): ResourceObject {
  const { namespace, ...metadata } = object.metadata;
  const scoped = kind.namespaced
    ? { ...metadata, namespace: namespace === undefined || namespace === '' ? 'default' : namespace }
    : metadata;
  const complete: ResourceObject = { ...object, apiVersion: apiVersionOf(kind), metadata: scoped };
  return kindId(kind.group, kind.name) === KIND_IDS.Secret ? foldStringData(complete) : complete;
}

/** `stringData` is write-only: its text goes into `data` as base64 and wins there. https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data */
function foldStringData(
  secret: ResourceObject & { data?: Record<string, string>; stringData?: Record<string, string>; type?: string },
): ResourceObject {
  const { stringData, type = 'Opaque', ...rest } = secret;
  if (stringData === undefined) return { ...rest, type } as ResourceObject;
  const data: Record<string, string> = { ...rest.data };
  for (const [key, text] of Object.entries(stringData)) data[key] = Buffer.from(text, 'utf8').toString('base64');
  return { ...rest, type, data } as ResourceObject;
}
