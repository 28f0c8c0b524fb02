// What a `limen proxy-config` command prints: reads the dump, picks the table, formats it.

import { formatTable } from '../table.ts';
import { formatAll } from './all.ts';
import { bootstrapRows } from './bootstrap.ts';
import { clusterRows, filterClusters } from './clusters.ts';
import { bootstrapOf, clustersOf, endpointsOf, listenersOf, routesOf, secretsOf } from './dump.ts';
import { assignmentRows, edsRows, endpointRows, filterAssignments, filterClusterStatuses } from './endpoints.ts';
import { filterListeners, listenerRows } from './listeners.ts';
import type { ProxyConfigOptions, Table } from './options.ts';
import { formatJson, formatMessages, NARROW_PADDING, NO_EDS, PADDING } from './output.ts';
import { filterRoutes, routeRows } from './routes.ts';
import { secretItems, secretRows } from './secrets.ts';
import { type Io, openSource, readConfigDump, readConfigDumpJson, readEndpoints, type Source } from './source.ts';

/** Prints one table of one proxy. Throws an Error for the user. */
export async function printProxyConfig(
  table: Table,
  workload: string | undefined,
  options: ProxyConfigOptions,
  io: Io,
): Promise<void> {
  const source = openSource(workload, options, io);
  io.stdout(await PRINTERS[table](source, options));
}

type Printer = (source: Source, options: ProxyConfigOptions) => Promise<string>;

const PRINTERS: Readonly<Record<Table, Printer>> = {
  async listeners(source, options) {
    const all = some(source, 'listeners', listenersOf(await readConfigDump(source)));
    const listeners = filterListeners(all, options);
    if (options.output !== 'short') return formatMessages(listeners, options.output);
    return formatTable(listenerRows(listeners, { verbose: options.verbose ?? true }), NARROW_PADDING);
  },

  async routes(source, options) {
    const all = some(source, 'routes', routesOf(await readConfigDump(source)));
    const routes = filterRoutes(all, options);
    if (options.output !== 'short') return formatMessages(routes, options.output);
    return formatTable(routeRows(routes, { verbose: options.verbose ?? true }), PADDING);
  },

  async clusters(source, options) {
    const all = some(source, 'clusters', clustersOf(await readConfigDump(source)));
    const clusters = filterClusters(all, options);
    if (options.output !== 'short') return formatMessages(clusters, options.output);
    return formatTable(clusterRows(clusters), PADDING);
  },

  async endpoints(source, options) {
    const found = await readEndpoints(source);
    if ('clusters' in found) {
      if (options.output !== 'short')
        return formatMessages(filterClusterStatuses(found.clusters, options), options.output);
      return formatTable(endpointRows(found.clusters, options), PADDING);
    }
    const assignments = required(source, endpointsOf(found.dump), NO_EDS);
    if (options.output !== 'short') return formatMessages(filterAssignments(assignments, options), options.output);
    return formatTable(assignmentRows(assignments, options), PADDING);
  },

  async eds(source, options) {
    const dump = await readConfigDump(source, { eds: true });
    const assignments = filterAssignments(required(source, endpointsOf(dump), NO_EDS), options);
    if (options.output !== 'short') return formatMessages(assignments, options.output);
    return formatTable(edsRows(assignments), PADDING);
  },

  async secrets(source, { output }) {
    const secrets = secretsOf(await readConfigDump(source));
    if (output !== 'short') return formatMessages(required(source, secrets, 'no secrets found'), output);
    const items = secrets === undefined ? [] : secretItems(secrets, Date.now());
    return items.length === 0 ? 'No active or warming secrets found.\n' : formatTable(secretRows(items), PADDING);
  },

  async bootstrap(source, { output }) {
    const bootstrap = required(source, bootstrapOf(await readConfigDump(source)), 'no bootstrap found');
    return output === 'short'
      ? formatTable(bootstrapRows(bootstrap), NARROW_PADDING)
      : formatMessages(bootstrap, output);
  },

  async all(source, options) {
    if (options.output === 'short') return formatAll(await readConfigDump(source, { eds: true }), options, Date.now());
    // The dump as it is, wrappers and all: what --file reads.
    return formatJson(await readConfigDumpJson(source, { eds: true }), options.output);
  },
};

function some<Item>(source: Source, what: string, items: Item[]): Item[] {
  if (items.length === 0) throw new Error(`${source.name}: no ${what} found`);
  return items;
}

function required<Value>(source: Source, value: Value | undefined, otherwise: string): Value {
  if (value === undefined) throw new Error(`${source.name}: ${otherwise}`);
  return value;
}
