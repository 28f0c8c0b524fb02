// Whether a namespace takes new objects.

import type { ResourceObject } from '../../resources/object.ts';
import type { ApiResource } from '../api-resource.ts';
import { ApiError, notFound } from '../status.ts';

/** What a namespace object has of its own. */
export type NamespaceObject = ResourceObject<{ finalizers?: string[] }, { phase?: string }>;

const NAMESPACES = { group: '', plural: 'namespaces' };

/**
 * @param namespace undefined when there is none of this name
 * @throws ApiError 404 when there is none, 403 while it is being deleted
 */
export function requireActive(
  namespace: NamespaceObject | undefined,
  name: string,
  resource: ApiResource,
  objectName: string,
): void {
  if (namespace === undefined) throw notFound(NAMESPACES, name);
  if (namespace.metadata.deletionTimestamp === undefined) return;
  const { group, plural } = resource;
  const why = `unable to create new content in namespace ${name} because it is being terminated`;
  throw new ApiError(
    403,
    'Forbidden',
    `${group === '' ? plural : `${plural}.${group}`} ${JSON.stringify(objectName)} is forbidden: ${why}`,
    {
      name: objectName,
      ...(group === '' ? {} : { group }),
      kind: plural,
      causes: [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${name} is being terminated`,
          field: 'metadata.namespace',
        },
      ],
    },
  );
}
