// The admin interface of the proxy, as Envoy's: what it has, how it does, and the few things that can be told to it.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin

import type { Logger } from 'pino';
import { RE2JS } from 're2js';
import { dumpToJson } from '../../xds/json.ts';
import { TypeUrl } from '../../xds/resources.ts';
import { prometheusText } from '../stats/prometheus.ts';
import {
  HISTOGRAM_BUCKETS,
  type HistogramBuckets,
  type StatsSelection,
  selectStats,
  statsJson,
  statsText,
} from '../stats/render.ts';
import { buildBootstrap, staticClusterViews } from './bootstrap.ts';
import { certificates } from './certs.ts';
import { clustersMessage, clustersText, listenersMessage, listenersText } from './clusters.ts';
import { buildConfigDump } from './config-dump.ts';
import { answerDump } from './dump-query.ts';
import { type Answer, type Query, type RunningEndpoint, startEndpoint } from './http-endpoint.ts';
import { isLoopbackHost, refuseStrangers } from './loopback-only.ts';
import { serverInfo } from './server-info.ts';
import { ADMIN_LOG_LEVELS, type AdminLogLevel, type ClusterView, type DataplaneView } from './view.ts';

/** Where and how to serve. */
export interface AdminOptions {
  /** A loopback address, unless `allowRemote`. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly log: Logger;
  /** Serve on an address that other machines reach, to any Host: whoever reaches it can read the configuration and end the proxy. */
  readonly allowRemote?: boolean;
  /** Milliseconds since the epoch; the clock of the certificates' remaining days and of the uptime. */
  readonly now?: () => number;
}

interface Endpoint {
  readonly path: string;
  readonly help: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** Changes something: POST only. */
  readonly changes?: true;
  readonly answer: (view: DataplaneView, query: URLSearchParams, now: number) => Answer | Promise<Answer>;
}

/**
 * Serves the admin interface of a data plane.
 *
 * @throws (rejects) where the host is no loopback address and `allowRemote` is not set, and where the port cannot be bound
 */
export async function startAdmin(view: DataplaneView, options: AdminOptions): Promise<RunningEndpoint> {
  const { host, port, log, allowRemote = false, now = Date.now } = options;
  if (!allowRemote && !isLoopbackHost(host))
    throw new Error(
      `admin address ${host}: not a loopback address; the admin interface shows the configuration and can end the proxy, use 127.0.0.1 or ::1`,
    );
  return startEndpoint({
    host,
    port,
    log,
    ...(allowRemote ? {} : { refuse: refuseStrangers }),
    answer: (query) => answerQuery(view, query, now()),
  });
}

function answerQuery(view: DataplaneView, { method, path, parameters }: Query, now: number): Answer | Promise<Answer> {
  const endpoint = ENDPOINTS.find((candidate) => candidate.path === path);
  if (endpoint === undefined) return { status: 404, body: `invalid path. ${helpText()}` };
  if (endpoint.changes && method !== 'POST')
    return { status: 405, body: `Method ${method} not allowed, POST required.` };
  if (!endpoint.changes && method !== 'GET' && method !== 'HEAD' && method !== 'POST')
    return { status: 405, body: `Method ${method} not allowed, GET required.` };
  return endpoint.answer(view, parameters, now);
}

const FORMAT = { format: 'File format to use; One of (text, json)' };
const FILTER = { filter: 'Regular expression (Google re2) for filtering by name' };
const OK: Answer = { status: 200, body: 'OK\n' };

const ENDPOINTS: readonly Endpoint[] = [
  {
    path: '/',
    help: 'Admin home page',
    answer: () => ({ status: 200, contentType: 'text/html; charset=UTF-8', body: indexPage() }),
  },
  {
    path: '/certs',
    help: 'print certs on machine',
    answer: (view, _query, now) => {
      const secrets = view
        .resources(TypeUrl.Secret)
        .flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
      return json({ certificates: certificates(secrets, now) });
    },
  },
  {
    path: '/clusters',
    help: 'upstream cluster status',
    parameters: { ...FORMAT, ...FILTER },
    answer: async (view, query) => {
      const filter = nameFilter(query.get('filter'));
      if (typeof filter !== 'function') return filter;
      const clusters = (await allClusters(view)).filter(({ name }) => filter(name));
      if (query.get('format') === 'json') return json(dumpToJson(clustersMessage(clusters)));
      return { status: 200, body: clustersText(clusters) };
    },
  },
  {
    path: '/config_dump',
    help: 'dump current configuration',
    parameters: {
      resource: 'The resource to dump',
      mask: 'The fields to show, comma-separated paths',
      name_regex: 'Dump only the configurations whose names match the regular expression',
      include_eds: 'Dump the endpoints too',
    },
    answer: configDump,
  },
  {
    path: '/drain_listeners',
    help: 'drain listeners',
    changes: true,
    answer: (view) => {
      view.drainListeners();
      return OK;
    },
  },
  {
    path: '/healthcheck/fail',
    help: 'cause the server to fail health checks',
    changes: true,
    answer: (view) => {
      view.setHealthy(false);
      return OK;
    },
  },
  {
    path: '/healthcheck/ok',
    help: 'cause the server to pass health checks',
    changes: true,
    answer: (view) => {
      view.setHealthy(true);
      return OK;
    },
  },
  { path: '/help', help: 'print out list of admin commands', answer: () => ({ status: 200, body: helpText() }) },
  {
    path: '/init_dump',
    help: 'dump what the server waits for before it is ready',
    answer: (view) => json(view.ready() ? {} : { unready_targets_dumps: [{ name: 'xds', target_names: ['ads'] }] }),
  },
  {
    path: '/listeners',
    help: 'print listener info',
    parameters: FORMAT,
    answer: (view, query) => {
      const listeners = [...staticListeners(view), ...view.listeners()];
      if (query.get('format') === 'json') return json(dumpToJson(listenersMessage(listeners)));
      return { status: 200, body: listenersText(listeners) };
    },
  },
  {
    path: '/logging',
    help: 'query/change logging levels',
    parameters: { level: `desired logging level; One of (${ADMIN_LOG_LEVELS.join(', ')})` },
    changes: true,
    answer: logging,
  },
  {
    path: '/quitquitquit',
    help: 'exit the server',
    changes: true,
    answer: (view) => {
      // After the answer is out.
      setImmediate(() => view.quit());
      return OK;
    },
  },
  {
    path: '/ready',
    help: 'print server state, return 200 if LIVE, otherwise return 503',
    answer: (view) => ({ status: view.state() === 'LIVE' ? 200 : 503, body: `${view.state()}\n` }),
  },
  {
    path: '/reopen_logs',
    help: 'reopen access logs',
    changes: true,
    answer: (view) => {
      view.reopenLogs();
      return OK;
    },
  },
  {
    path: '/server_info',
    help: 'print server version/status information',
    answer: (view, _query, now) => json(serverInfo(view, now)),
  },
  {
    path: '/stats',
    help: 'print server stats',
    parameters: {
      usedonly: 'Only include stats that are not zero',
      ...FILTER,
      format: 'Format to use; One of (text, json, prometheus)',
      type: 'Stat types to include; One of (All, Counters, Histograms, Gauges, TextReadouts)',
      histogram_buckets: `Histogram bucket display mode; One of (${HISTOGRAM_BUCKETS.join(', ')})`,
    },
    answer: (view, query) => stats(view, query, query.get('format') ?? 'text'),
  },
  {
    path: '/stats/prometheus',
    help: 'print server stats in prometheus format',
    parameters: { usedonly: 'Only include stats that are not zero', ...FILTER },
    answer: (view, query) => stats(view, query, 'prometheus'),
  },
];

/** What came over xDS, then the bootstrap's own. */
async function allClusters(view: DataplaneView): Promise<ClusterView[]> {
  return [...(await view.clusters()), ...staticClusterViews(buildBootstrap(view))];
}

async function configDump(view: DataplaneView, query: URLSearchParams): Promise<Answer> {
  const pattern = query.get('name_regex');
  const filter = nameFilter(pattern);
  if (typeof filter !== 'function') return filter;
  const resource = query.get('resource') ?? '';
  const clusters =
    query.has('include_eds') || resource.endsWith('_endpoint_configs') ? await allClusters(view) : undefined;
  const answer = answerDump(buildConfigDump(view, buildBootstrap(view), clusters), {
    resource,
    mask: query.get('mask') ?? '',
    nameMatches: pattern === null ? undefined : filter,
  });
  return 'json' in answer ? json(answer.json) : { status: answer.status, body: answer.message };
}

async function stats(view: DataplaneView, query: URLSearchParams, format: string): Promise<Answer> {
  if (format !== 'text' && format !== 'json' && format !== 'prometheus')
    return { status: 400, body: 'usage: /stats?format=(json|prometheus|text)\n\n' };
  const filter = nameFilter(query.get('filter'));
  if (typeof filter !== 'function') return filter;
  const type = (query.get('type') ?? 'All') as StatsSelection['type'];
  if (!['All', 'Counters', 'Gauges', 'Histograms', 'TextReadouts'].includes(type))
    return { status: 400, body: 'usage: /stats?type=(All|Counters|Gauges|Histograms|TextReadouts)\n\n' };
  const buckets = (query.get('histogram_buckets') ?? 'summary') as HistogramBuckets;
  if (!HISTOGRAM_BUCKETS.includes(buckets))
    return { status: 400, body: `usage: /stats?histogram_buckets=(${HISTOGRAM_BUCKETS.join('|')})\n\n` };
  const selected = selectStats(await view.stats(), { usedOnly: query.has('usedonly'), matches: filter, type });
  if (format === 'json')
    return { status: 200, contentType: 'application/json', body: JSON.stringify(statsJson(selected)) };
  return { status: 200, body: format === 'text' ? statsText(selected, buckets) : prometheusText(selected) };
}

function logging(view: DataplaneView, query: URLSearchParams): Answer {
  // `?level=debug` is for all loggers, `?limen=debug` for the one there is.
  const [name, level] = [...query][0] ?? ['level', ''];
  let status = 200;
  let problem = '';
  if (name !== 'level' && name !== LOGGER) problem = `error: unknown logger name ${JSON.stringify(name)}`;
  else if (level !== '' && !ADMIN_LOG_LEVELS.includes(level as AdminLogLevel)) problem = 'error: unknown logger level';
  else if (level !== '') view.setLogLevel(level as AdminLogLevel);
  if (problem !== '') {
    status = 400;
    problem += `\n\nusage: /logging?level=<level> (change all levels)\nlevels: ${ADMIN_LOG_LEVELS.join(' ')}\n`;
  }
  return { status, body: `${problem}active loggers:\n  ${LOGGER}: ${view.logLevel()}\n\n` };
}

/** The one logger of the process. */
const LOGGER = 'limen';

/** The listeners of the bootstrap, which have no names of their own; Envoy would print random ones. */
function staticListeners({ ports }: DataplaneView) {
  return [
    { name: 'stats', ...ports.prometheus },
    { name: 'agent', ...ports.status },
  ].flatMap(({ name, host, port }) => (port === 0 ? [] : [{ name, address: host, port }]));
}

/** A predicate on names, or the answer to a pattern that is none. Matches anywhere in the name, in linear time: patterns come from strangers too. */
function nameFilter(pattern: string | null): ((name: string) => boolean) | Answer {
  if (pattern === null || pattern === '') return () => true;
  try {
    const compiled = RE2JS.compile(pattern);
    return (name) => compiled.matcher(name).find();
  } catch (error) {
    return { status: 400, body: `Invalid re2 regex: ${error instanceof Error ? error.message : String(error)}\n` };
  }
}

function json(value: unknown): Answer {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` };
}

function helpText(): string {
  let text = 'admin commands are:\n';
  for (const { path, help, parameters = {}, changes } of ENDPOINTS) {
    text += `  ${path}${changes ? ' (POST)' : ''}: ${help}\n`;
    for (const [name, meaning] of Object.entries(parameters)) text += `      ${name}: ${meaning}\n`;
  }
  return text;
}

function indexPage(): string {
  const rows = ENDPOINTS.map(({ path, help, changes }) =>
    changes
      ? `<tr><td><form action="${path.slice(1)}" method="post"><button>${path.slice(1)}</button></form></td><td>${help}</td></tr>`
      : `<tr><td><a href="${path}">${path}</a></td><td>${help}</td></tr>`,
  );
  return `<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>Limen proxy admin</title></head>\n<body>\n<h1>Limen proxy admin</h1>\n<table>\n${rows.join('\n')}\n</table>\n</body>\n</html>\n`;
}
