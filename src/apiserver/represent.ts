// An object as a client accepts it: whole, as a table of one row, or its metadata.

import type { ResourceObject } from '../resources/object.ts';
import type { ApiCall } from './api-call.ts';
import { includeObjectOf, partialMetadata, printerOf, rowOf, tableOf } from './tables/table.ts';

/** @param object as it is stored @param now for ages */
export function represent(
  object: ResourceObject,
  call: Pick<ApiCall, 'resource' | 'query' | 'representation'>,
  now: Date,
): object {
  const { resource, query, representation } = call;
  const shown = resource.show(object);
  switch (representation.as) {
    case 'Table': {
      const printer = printerOf(resource);
      const { resourceVersion } = shown.metadata;
      return tableOf(printer.columns, { resourceVersion }, [rowOf(shown, printer, includeObjectOf(query), now)]);
    }
    case 'PartialObjectMetadata':
      return partialMetadata(shown);
    case 'object':
      return shown;
  }
}
