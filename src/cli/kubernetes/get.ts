// `limen get`: objects of the running instance, as the server shows them.

import type { ResourceObject } from '../../resources/object.ts';
import { ApiClient, ApiRefusal, type Io } from './client.ts';
import { DEFAULT_NAMESPACE, type GetOptions } from './options.ts';
import { printName, printObjects, printTable, type ServerTable } from './print.ts';
import { kindName, pathOf, Resources } from './resources.ts';
import { type Target, targetsOf } from './targets.ts';

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

/**
 * Prints objects. What is not there is said, after all others.
 * @returns the exit code
 * @throws Error for the user
 */
export async function get(words: readonly string[], options: GetOptions, io: Io): Promise<number> {
  const client = ApiClient.open(io, options.home);
  const targets = targetsOf(words, await Resources.of(client));
  const named = targets.some(({ name }) => name !== undefined);
  if (named && options.allNamespaces) throw new Error('a name and --all-namespaces do not go together');
  if (named && options.selector !== undefined) throw new Error('a name and --selector do not go together');
  const namespace = options.allNamespaces ? undefined : (options.namespace ?? DEFAULT_NAMESPACE);
  const query = options.selector === undefined ? '' : `?labelSelector=${encodeURIComponent(options.selector)}`;
  const isTable = options.output === 'table' || options.output === 'wide';

  const found: { target: Target; body: unknown }[] = [];
  const refusals: ApiRefusal[] = [];
  for (const target of targets) {
    const path = pathOf(target.resource, namespace, target.name) + query;
    try {
      found.push({ target, body: await client.get(path, isTable ? TABLE : undefined) });
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      refusals.push(error);
    }
  }

  const isNothing = isTable ? printTables(found, options, io) : printAll(found, options.output, named, io);
  if (isNothing && refusals.length === 0) {
    const isSomewhere = namespace !== undefined && targets.some(({ resource }) => resource.namespaced);
    io.stderr(`No resources found${isSomewhere ? ` in ${namespace} namespace` : ''}\n`);
  }
  for (const { message } of refusals) io.stderr(`error: ${message}\n`);
  return refusals.length === 0 ? 0 : 1;
}

type Found = readonly { target: Target; body: unknown }[];

/** @returns whether there was nothing to print */
function printTables(found: Found, { output, allNamespaces }: GetOptions, io: Io): boolean {
  // Objects asked for by name come one by one, and stand in one table of their kind.
  const byKind = new Map<string, { target: Target; table: ServerTable }>();
  for (const { target, body } of found) {
    const table = body as ServerTable;
    const before = byKind.get(kindName(target.resource));
    const rows = [...(before?.table.rows ?? []), ...table.rows];
    byKind.set(kindName(target.resource), { target, table: { ...table, rows } });
  }
  const filled = [...byKind].filter(([, { table }]) => table.rows.length > 0);
  const texts = filled.map(([kind, { target, table }]) =>
    printTable(table, {
      wide: output === 'wide',
      withNamespace: allNamespaces === true && target.resource.namespaced,
      ...(byKind.size > 1 ? { kind } : {}),
    }),
  );
  io.stdout(texts.join('\n'));
  return filled.length === 0;
}

function printAll(found: Found, format: GetOptions['output'], named: boolean, io: Io): boolean {
  const objects = found.flatMap(({ target, body }) =>
    // Objects of a list don't say what they are where the list does.
    objectsIn(body).map((object) => ({ resource: target.resource, object })),
  );
  if (format === 'name') {
    io.stdout(objects.map(({ resource, object }) => printName(resource, object)).join(''));
    return false;
  }
  const isOne = named && found.length === 1;
  if (isOne || !named || objects.length > 0)
    io.stdout(
      printObjects(
        objects.map(({ object }) => object),
        isOne,
        format === 'json' ? 'json' : 'yaml',
      ),
    );
  return false;
}

function objectsIn(body: unknown): ResourceObject[] {
  const { items } = body as { items?: ResourceObject[] };
  return Array.isArray(items) ? items : [body as ResourceObject];
}
