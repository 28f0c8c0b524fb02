// Objects of the API as kubectl prints them: tables, YAML, JSON, names.

import { stringify } from 'yaml';
import type { ResourceObject } from '../../resources/object.ts';
import { formatTable } from '../table.ts';
import { kindName, type Resource } from './resources.ts';

/** A Table of the server, with the metadata of each row's object. */
export interface ServerTable {
  columnDefinitions: readonly { name: string; priority: number }[];
  rows: readonly { cells: readonly unknown[]; object?: { metadata?: { namespace?: string } } }[];
}

/** kubectl's space between columns. */
const PADDING = 3;

/**
 * @param wide also columns that are left out of narrow tables (priority above 0)
 * @param withNamespace a first column that says each object's namespace
 * @param kind stands before each name (`pod/`): there are tables of several kinds
 */
export function printTable(table: ServerTable, show: { wide: boolean; withNamespace: boolean; kind?: string }): string {
  const columns = [...table.columnDefinitions.entries()].filter(([, { priority }]) => show.wide || priority === 0);
  const nameColumn = table.columnDefinitions.findIndex(({ name }) => name.toLowerCase() === 'name');
  const first = (text: string) => (show.withNamespace ? [text] : []);
  return formatTable(
    [
      [...first('NAMESPACE'), ...columns.map(([, { name }]) => name.toUpperCase())],
      ...table.rows.map(({ cells, object }) => [
        ...first(object?.metadata?.namespace ?? ''),
        ...columns.map(([at]) => {
          const text = cellText(cells[at]);
          return at === nameColumn && show.kind !== undefined ? `${show.kind}/${text}` : text;
        }),
      ]),
    ],
    PADDING,
  );
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return '<none>';
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell);
}

/** `pod/a` */
export function printName(resource: Resource, object: ResourceObject): string {
  return `${kindName(resource)}/${object.metadata.name}\n`;
}

/** One object, or several as a List; keys in order of the alphabet, without what says who set which field. */
export function printObjects(objects: readonly ResourceObject[], isOne: boolean, format: 'yaml' | 'json'): string {
  const items = objects.map(({ metadata: { managedFields: _, ...metadata }, ...object }) => ({ ...object, metadata }));
  const shown = isOne ? items[0] : { apiVersion: 'v1', kind: 'List', items, metadata: { resourceVersion: '' } };
  if (format === 'json') return `${JSON.stringify(inOrder(shown), undefined, 4)}\n`;
  // By the rules of YAML 1.1, which kubectl writes: a time, or a "yes", is quoted.
  return stringify(shown, {
    version: '1.1',
    sortMapEntries: true,
    indentSeq: false,
    lineWidth: 0,
    aliasDuplicateObjects: false,
  });
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, inOrder(inner)]));
}
