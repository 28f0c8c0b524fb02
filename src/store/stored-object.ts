// What the store makes of an object it is given: the metadata that is the store's to set.

import { isDeepStrictEqual } from 'node:util';
import { hasGeneration } from '../resources/kinds.ts';
import type { ResourceObject } from '../resources/object.ts';
import { timestamp } from '../resources/timestamp.ts';

/** Where the metadata of a new object comes from. */
export interface MetadataSource {
  clock: () => Date;
  uid: () => string;
}

/**
 * The object with `uid`, `resourceVersion`, `generation` (of kinds that have one; grows with each change of content, that is of anything but
 * metadata and status) and, where the author wrote none, `creationTimestamp`. The very same `previous` when nothing changed.
 *
 * @param version the `resourceVersion` it gets if it changed
 */
export function storedObject(
  given: ResourceObject,
  previous: ResourceObject | undefined,
  version: number,
  { clock, uid }: MetadataSource,
): ResourceObject {
  const { generation: _, ...metadata } = given.metadata;
  const isCounted = hasGeneration(given);
  if (previous === undefined) {
    return {
      ...given,
      metadata: {
        ...metadata,
        uid: metadata.uid ?? uid(),
        resourceVersion: String(version),
        ...(isCounted ? { generation: 1 } : {}),
        creationTimestamp: metadata.creationTimestamp ?? timestamp(clock()),
      },
    };
  }
  const before = previous.metadata;
  const object: ResourceObject = {
    ...given,
    metadata: {
      ...metadata,
      creationTimestamp: metadata.creationTimestamp ?? before.creationTimestamp ?? timestamp(clock()),
    },
  };
  object.metadata.uid = before.uid ?? metadata.uid ?? uid();
  if (isCounted) object.metadata.generation = before.generation ?? 1;
  if (before.resourceVersion !== undefined) object.metadata.resourceVersion = before.resourceVersion;
  if (isDeepStrictEqual(object, previous)) return previous;
  object.metadata.resourceVersion = String(version);
  if (isCounted && !isDeepStrictEqual(contentOf(given), contentOf(previous)))
    object.metadata.generation = (before.generation ?? 1) + 1;
  return object;
}

/** The object as its deletion tells of it. */
export function deletedObject(object: ResourceObject, version: number): ResourceObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(version) } };
}

function contentOf({ metadata: _, status: __, ...content }: ResourceObject): object {
  return content;
}
