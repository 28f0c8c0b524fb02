// What a row came to, as plain values: what must differ between two runs is named instead of told (ports, dates, ids, durations).

import type { TlsSeen } from './client.ts';
import { PROBE_PATH, type Seen } from './client.ts';
import { headerOf, type Message, statusOf } from './http1.ts';
import type { DataPlane } from './proxies.ts';
import type { Row } from './row.ts';
import type { Attempt } from './upstreams.ts';

/** Everything that is compared. */
export interface Observation {
  readonly responses: readonly ResponseSeen[];
  readonly rest: string;
  readonly connection: string;
  readonly tls: TlsSeen | undefined;
  readonly attempts: readonly AttemptSeen[];
  readonly log: readonly Record<string, unknown>[];
}

export interface ResponseSeen {
  readonly start: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly trailers: Readonly<Record<string, string>>;
  readonly complete: boolean;
}

export interface AttemptSeen extends ResponseSeen {
  readonly upstream: string;
}

/** Trace and span ids that rows send; all others are random. */
const TRACE = /^(463ac35c9f6413ad)?48485a3953bb6124$|^a2fb4a1d1a96d312$|^0020000000000001$/;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Notes a run of a row on a proxy. */
export function observe(
  seen: Seen,
  attempts: readonly Attempt[],
  log: readonly Record<string, unknown>[],
  proxy: DataPlane,
  upstreamPorts: ReadonlyMap<string, number>,
): Observation {
  const names = new Map<number, string>();
  for (const [name, port] of upstreamPorts) names.set(port, name);
  for (const [listener, port] of proxy.ports) names.set(port, `listener ${listener}`);
  for (const listener of proxy.ports.keys()) names.set(listener, `listener ${listener}`);
  names.set(seen.port, 'client');
  const text = (value: string) =>
    value.replaceAll(
      /\b(127\.0\.0\.1|0\.0\.0\.0):(\d+)\b/g,
      (_, _ip, port) => `<${names.get(Number(port)) ?? 'any port'}>`,
    );
  const message = ({ start, headers, body, trailers, complete }: Message) => ({
    start,
    headers: fields(headers, text),
    body: text(body),
    trailers: fields(trailers, text),
    complete,
  });
  const own = log.filter(
    (record) => String(record.downstream_remote_address).endsWith(`:${seen.port}`) && record.path !== PROBE_PATH,
  );
  return {
    responses: seen.responses.map(message),
    rest: text(seen.rest),
    connection: seen.connection,
    tls: seen.tls,
    attempts: attempts.map(({ upstream, request }) => {
      const { headers, ...rest } = message(request);
      return { upstream, ...rest, headers: withTimeLeft(headers, attempts[0]) };
    }),
    log: own.map((record) =>
      Object.fromEntries(Object.entries(record).map(([field, value]) => [field, logged(field, value, text)])),
    ),
  };
}

/**
 * What a retry is told of the time left is that of a try, or what the attempts before it left of the whole: then it is less than the
 * first was told, and how much less differs. Rows that look at the latter have the first answer wait, or nothing may be over yet.
 */
function withTimeLeft(headers: Record<string, string>, first: Attempt | undefined): Record<string, string> {
  const name = 'x-envoy-expected-rq-timeout-ms';
  const told = headerOf(first?.request.headers ?? [], name);
  const left = headers[name];
  if (left === undefined || told === undefined || left === told) return headers;
  const less = /^[1-9]\d*$/.test(left) && Number(left) < Number(told);
  return { ...headers, [name]: less ? `<less than ${told}>` : left };
}

function fields(lines: readonly string[], text: (value: string) => string): Record<string, string> {
  const found: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    found.push([name, text(headerValue(name, colon < 0 ? '' : line.slice(colon + 1).trim()))]);
  }
  const merged: Record<string, string> = {};
  for (const [name, value] of found) merged[name] = name in merged ? `${merged[name]} | ${value}` : value;
  return merged;
}

function headerValue(name: string, value: string): string {
  switch (name.toLowerCase()) {
    case 'date':
      return /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/.test(value) ? '<date>' : value;
    case 'x-request-id':
      return UUID.test(value) ? '<uuid>' : value;
    case 'x-b3-traceid':
      return /^([0-9a-f]{16}){1,2}$/.test(value) && !TRACE.test(value) ? '<trace id>' : value;
    case 'x-b3-spanid':
    case 'x-b3-parentspanid':
      return /^[0-9a-f]{16}$/.test(value) && !TRACE.test(value) ? '<span id>' : value;
    case 'b3':
      return value.replaceAll(/\b([0-9a-f]{16}){1,2}\b/g, (id) => (TRACE.test(id) ? id : '<id>'));
    case 'x-envoy-upstream-service-time':
      return /^\d+$/.test(value) ? '<ms>' : value;
    default:
      return value;
  }
}

function logged(field: string, value: unknown, text: (value: string) => string): unknown {
  if (field === 'start_time') return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(String(value)) ? '<time>' : value;
  if (field === 'duration') return typeof value === 'number' ? '<ms>' : value;
  if (field === 'upstream_service_time') return /^\d+$/.test(String(value)) ? '<ms>' : value;
  if (typeof value !== 'string') return value;
  return UUID.test(value) ? '<uuid>' : text(value);
}

/** What `gives` says of a row. */
export function summary(row: Row, { responses, connection, rest }: Observation): string {
  const parts = row.raw
    ? rest === ''
      ? []
      : [rest]
    : responses.map((response) => String(statusOf({ ...response, headers: [], trailers: [] })));
  if (connection !== 'open') parts.push(connection);
  return parts.join(' ');
}

/** A place where two observations differ. */
export interface FieldDifference {
  /** `responses[0].headers.server` */
  readonly field: string;
  readonly limen: unknown;
  readonly envoy: unknown;
}

/** Where they differ, field by field. */
export function differences(limen: unknown, envoy: unknown, field = ''): FieldDifference[] {
  if (Object.is(limen, envoy)) return [];
  if (!isObject(limen) || !isObject(envoy) || Array.isArray(limen) !== Array.isArray(envoy))
    return [{ field, limen, envoy }];
  const keys = new Set([...Object.keys(limen), ...Object.keys(envoy)]);
  const join = (key: string) => (Array.isArray(limen) ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`);
  return [...keys].sort().flatMap((key) => differences(limen[key], envoy[key], join(key)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
