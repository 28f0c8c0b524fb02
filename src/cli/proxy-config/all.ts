// `limen proxy-config all`: every table of one proxy, one below the other.

import type { ConfigDump } from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import { formatTable, type Row } from '../table.ts';
import { bootstrapRows } from './bootstrap.ts';
import { clusterRows, filterClusters } from './clusters.ts';
import { bootstrapOf, clustersOf, endpointsOf, listenersOf, routesOf, secretsOf } from './dump.ts';
import { edsRows, filterAssignments } from './endpoints.ts';
import { filterListeners, listenerRows } from './listeners.ts';
import type { ProxyConfigOptions } from './options.ts';
import { NARROW_PADDING, NO_EDS, PADDING } from './output.ts';
import { filterRoutes, routeRows } from './routes.ts';
import { secretItems, secretRows } from './secrets.ts';

/**
 * All tables, each under its heading, with the names of the resources in the first column; what a dump lacks is said in a line.
 * @param now milliseconds since the epoch, for the validity of certificates
 */
export function formatAll(dump: ConfigDump, options: ProxyConfigOptions, now: number): string {
  const verbose = options.verbose ?? true;
  const bootstrap = bootstrapOf(dump);
  const clusters = clustersOf(dump);
  const listeners = listenersOf(dump);
  const routes = routesOf(dump);
  const secretDump = secretsOf(dump);
  const secrets = secretDump === undefined ? [] : secretItems(secretDump, now);
  const endpoints = endpointsOf(dump);
  const table = (has: boolean, otherwise: string, rows: () => Row[], padding = PADDING) =>
    has ? formatTable(rows(), padding) : `${otherwise}\n`;
  const sections = {
    BOOTSTRAP: bootstrap === undefined ? 'no bootstrap found\n' : formatTable(bootstrapRows(bootstrap), NARROW_PADDING),
    CLUSTER: table(clusters.length > 0, 'no clusters found', () =>
      clusterRows(filterClusters(clusters, options), { named: true }),
    ),
    LISTENER: table(
      listeners.length > 0,
      'no listeners found',
      () => listenerRows(filterListeners(listeners, options), { verbose, named: true }),
      NARROW_PADDING,
    ),
    ROUTE: table(routes.length > 0, 'no routes found', () =>
      routeRows(filterRoutes(routes, options), { verbose, named: true }),
    ),
    SECRET: table(secrets.length > 0, 'No active or warming secrets found.', () => secretRows(secrets, true)),
    ENDPOINTS: table(endpoints !== undefined, NO_EDS, () => edsRows(filterAssignments(endpoints ?? [], options), true)),
  };
  return Object.entries(sections)
    .map(([heading, text]) => `------ ${heading} INFO ------\n\n${text}`)
    .join('\n');
}
