// What a table of a kind has: columns, and the cells of one object.

import type { ResourceObject } from '../../resources/object.ts';

/** A column of a Table. https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables */
export interface TableColumn {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  format: string;
  description: string;
  /** 0 is always shown, above it with `-o wide`. */
  priority: number;
}

/** How a kind is shown in a table. */
export interface Printer<Object extends ResourceObject = ResourceObject> {
  columns: readonly TableColumn[];
  /** One cell for each column. `now`: for ages. */
  cells(object: Object, now: Date): unknown[];
}

/** A column; `priority` 0 unless given. */
export function column(
  name: string,
  description: string,
  options: Partial<Pick<TableColumn, 'type' | 'format' | 'priority'>> = {},
): TableColumn {
  return { name, type: 'string', format: '', description, priority: 0, ...options };
}

export const NAME: TableColumn = column('Name', 'Name of the object, unique in its namespace', { format: 'name' });
export const AGE: TableColumn = column('Age', 'Time since the object was created');
/** What kubectl shows where there is nothing. */
export const NONE = '<none>';

/** `a=1,b=2`, sorted by key; `<none>` where there are none. */
export function formatLabels(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? NONE : pairs.join(',');
}

/** The first three of a list, and how many more there are. */
export function firstThree(items: readonly string[]): string {
  if (items.length <= 3) return items.join(',');
  return `${items.slice(0, 3).join(',')} + ${items.length - 3} more...`;
}
