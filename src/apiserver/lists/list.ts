// `list`: all objects of a selection, at once or in pages. https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks

import { listKindOf } from '../../resources/kinds/kind.ts';
import type { ResourceObject } from '../../resources/object.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { Answer, ApiCall, ApiContext } from '../api-call.ts';
import { ApiError, badRequest, expired } from '../status.ts';
import { includeObjectOf, partialMetadata, printerOf, rowOf, tableOf } from '../tables/table.ts';
import { parseResourceVersion } from './resource-version.ts';
import { placeOf, Selection } from './selection.ts';

/** Answers a list. @throws ApiError */
export function list({ info, resource, query, representation }: ApiCall, context: ApiContext): Answer {
  const selection = new Selection(resource, info, query);
  const { snapshot, after } = whichSnapshot(query, context);
  const all = selection.of(snapshot);
  const start = after === undefined ? 0 : all.findIndex((object) => placeOf(object) > after);
  const rest = start < 0 ? [] : all.slice(start);
  const limit = parseLimit(query.get('limit'));
  const page = limit === 0 || rest.length <= limit ? rest : rest.slice(0, limit);
  const remaining = rest.length - page.length;
  const resourceVersion = String(snapshot.resourceVersion);
  const metadata: Record<string, unknown> = { resourceVersion };
  if (remaining > 0) {
    context.pins.pin(snapshot, context.clock().getTime());
    metadata.continue = encodeContinue({ rv: snapshot.resourceVersion, start: placeOf(page.at(-1)!) });
    if (selection.isEverything) metadata.remainingItemCount = remaining;
  }
  const shown = page.map((object) => resource.show(object));
  return { status: 200, body: bodyOf(shown, metadata) };

  function bodyOf(objects: readonly ResourceObject[], listMeta: object): object {
    const now = context.clock();
    switch (representation.as) {
      case 'Table': {
        const printer = printerOf(resource);
        const include = includeObjectOf(query);
        return tableOf(
          printer.columns,
          listMeta,
          objects.map((object) => rowOf(object, printer, include, now)),
        );
      }
      case 'PartialObjectMetadata':
        return {
          kind: 'PartialObjectMetadataList',
          apiVersion: 'meta.k8s.io/v1',
          metadata: listMeta,
          items: objects.map(partialMetadata),
        };
      case 'object':
        return { kind: listKindOf(resource.kind), apiVersion: resource.apiVersion, metadata: listMeta, items: objects };
    }
  }
}

/** What a continue token says. */
interface ContinueToken {
  rv: number;
  /** Where the last page ended. */
  start: string;
}

function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', ...token })).toString('base64url');
}

function decodeContinue(text: string): ContinueToken {
  try {
    const { v, rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Record<string, unknown>;
    if (v === 'meta.k8s.io/v1' && typeof rv === 'number' && typeof start === 'string') return { rv, start };
  } catch {
    // said below
  }
  throw badRequest('continue key is not valid: it is what "metadata.continue" of the page before says');
}

function parseLimit(text: string | null): number {
  if (text === null || text === '') return 0;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 0) throw badRequest(`limit: ${JSON.stringify(text)} is no number from 0 up`);
  return limit;
}

/** The moment a list shows: that of its first page, the newest one, or the one it asks for exactly. */
function whichSnapshot(query: URLSearchParams, context: ApiContext): { snapshot: Snapshot; after: string | undefined } {
  const now = context.clock().getTime();
  const newest = context.store.snapshot;
  const token = query.get('continue') ?? '';
  const asked = query.get('resourceVersion') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  if (token !== '') {
    if (asked !== '' && asked !== '0')
      throw badRequest('specifying resource version is not allowed when using continue');
    const { rv, start } = decodeContinue(token);
    const snapshot = rv === newest.resourceVersion ? newest : context.pins.get(rv, now);
    if (snapshot === undefined)
      throw expired(
        'The provided continue parameter is too old to display a consistent list result. You must start a new list without the continue parameter.',
      );
    return { snapshot, after: start };
  }
  if (match !== '' && asked === '')
    throw badRequest('resourceVersionMatch is forbidden unless resourceVersion is provided');
  if (match !== '' && match !== 'Exact' && match !== 'NotOlderThan')
    throw badRequest(`resourceVersionMatch: ${JSON.stringify(match)} is neither Exact nor NotOlderThan`);
  const version = parseResourceVersion(asked);
  if (version > newest.resourceVersion) throw tooNew(version, newest.resourceVersion);
  if (match !== 'Exact' || version === newest.resourceVersion) return { snapshot: newest, after: undefined };
  if (version === 0) throw badRequest('resourceVersionMatch "Exact" is forbidden for resourceVersion "0"');
  const snapshot = context.pins.get(version, now);
  if (snapshot === undefined)
    throw expired(`The resourceVersion for the provided list is too old: ${version} is no longer kept`);
  return { snapshot, after: undefined };
}

/** A resourceVersion that has not come yet: of another instance, or of a database that was lost. */
export function tooNew(asked: number, newest: number): ApiError {
  return new ApiError(504, 'Timeout', `Too large resource version: ${asked}, current: ${newest}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}
