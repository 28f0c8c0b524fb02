// Events of a watch: what a change of the store is to one selection, and how it is written.

import type { ResourceObject } from '../../resources/object.ts';
import type { Change } from '../../store/store.ts';
import type { ApiResource } from '../api-resource.ts';
import type { Selection } from '../lists/selection.ts';
import type { Representation } from '../negotiation.ts';
import type { Status } from '../status.ts';
import { type IncludeObject, partialMetadata, printerOf, rowOf, tableOf } from '../tables/table.ts';

/** What happened to an object of a selection. https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  object: ResourceObject;
}

/** A change as one selection sees it: an object that comes into it is added, one that leaves it deleted. Undefined: it sees nothing. */
export function eventOf(change: Change, selection: Selection): WatchEvent | undefined {
  const { object } = change;
  switch (change.type) {
    case 'added':
      return selection.matches(object) ? { type: 'ADDED', object } : undefined;
    case 'deleted':
      return selection.matches(object) ? { type: 'DELETED', object } : undefined;
    case 'modified': {
      if (selection.isEverything) return selection.matches(object) ? { type: 'MODIFIED', object } : undefined;
      const was = selection.matches(change.previous);
      if (selection.matches(object)) return { type: was ? 'MODIFIED' : 'ADDED', object };
      if (!was) return undefined;
      // As it last was in the selection, with the version of the change that took it out.
      const { resourceVersion } = object.metadata;
      const { previous } = change;
      return {
        type: 'DELETED',
        object: { ...previous, metadata: { ...previous.metadata, ...(resourceVersion && { resourceVersion }) } },
      };
    }
  }
}

/** How a watch shows its objects. Watches of equal form share what was written for one of them. */
export interface WatchForm {
  readonly resource: ApiResource;
  readonly as: Representation['as'];
  readonly include: IncludeObject;
}

/** An event as a line of the response. @param now for ages in tables */
export function writeEvent({ type, object }: WatchEvent, form: WatchForm, now: Date): string {
  const shown = form.resource.show(object);
  return line(type, represent(shown, form, now));
}

function represent(object: ResourceObject, { resource, as, include }: WatchForm, now: Date): object {
  switch (as) {
    case 'Table': {
      const printer = printerOf(resource);
      const { resourceVersion } = object.metadata;
      return tableOf(printer.columns, { resourceVersion }, [rowOf(object, printer, include, now)]);
    }
    case 'PartialObjectMetadata':
      return partialMetadata(object);
    case 'object':
      return object;
  }
}

/** A bookmark: nothing happened up to this version that is not told. @param isInitialEnd what was there at the start is told now */
export function writeBookmark(resourceVersion: number, { resource, as }: WatchForm, isInitialEnd: boolean): string {
  const annotations = isInitialEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: String(resourceVersion), creationTimestamp: null, ...annotations };
  if (as === 'Table') return line('BOOKMARK', tableOf(printerOf(resource).columns, metadata, []));
  const { kind, apiVersion } =
    as === 'object'
      ? { kind: resource.kind.name, apiVersion: resource.apiVersion }
      : { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1' };
  return line('BOOKMARK', { kind, apiVersion, metadata });
}

/** What ends a watch before its time. */
export function writeError(status: Status): string {
  return line('ERROR', status);
}

function line(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`;
}
