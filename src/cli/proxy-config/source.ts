// Where a dump comes from: the admin interface of a running proxy, or a file that someone saved from one.

import { readFile } from 'node:fs/promises';
import { text as textOf } from 'node:stream/consumers';
import type { JsonValue } from '@bufbuild/protobuf';
import { type Clusters, ClustersSchema } from '../../xds/gen/envoy/admin/v3/clusters_pb.js';
import type { ConfigDump } from '../../xds/gen/envoy/admin/v3/config_dump_pb.js';
import { jsonToMessage, parseConfigDump } from '../../xds/json.ts';
import { limenHome, readInstance } from '../instance.ts';
import { jsonErrorPlace } from './json-place.ts';
import { isGateway, proxyName, selectProxy } from './workload.ts';

/** What a command touches of the world outside. */
export interface Io {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  env: Readonly<Record<string, string | undefined>>;
  fetch: typeof globalThis.fetch;
}

/** What names the proxy or the file. */
export interface SourceOptions {
  /** A file, `-` for standard input. */
  file?: string;
  namespace?: string;
  home?: string;
}

/** An opened source: text by admin path. Of a file there is one text, whatever the path. */
export interface Source {
  /** For messages: the file or the proxy. */
  readonly name: string;
  readonly isFile: boolean;
  read(path: string): Promise<string>;
}

/** A proxy that doesn't answer within this time, on the same machine, hangs. */
const ADMIN_TIMEOUT_MS = 10_000;

/**
 * Finds the file or the proxy a command means.
 * @throws Error for the user
 */
export function openSource(workload: string | undefined, options: SourceOptions, io: Io): Source {
  const { file } = options;
  if (file !== undefined) {
    if (workload !== undefined) throw new Error(`either a workload (${workload}) or --file ${file}, not both`);
    return {
      name: file === '-' ? 'standard input' : file,
      isFile: true,
      read: () => readText(file),
    };
  }
  const { proxies } = readInstance(limenHome(io.env, options.home));
  const proxy = selectProxy(proxies, workload, options.namespace);
  const name = proxyName(proxy);
  if (workload === undefined) io.stderr(`(${name}, the only ${isGateway(proxy) ? 'gateway' : 'proxy'})\n`);
  return { name, isFile: false, read: (path) => readAdmin(proxy.admin, path, name, io) };
}

/** The config dump of a source. With `eds`: endpoints too, where the source has them. */
export async function readConfigDump(source: Source, { eds = false } = {}): Promise<ConfigDump> {
  const text = await readConfigDumpText(source, { eds });
  return parseConfigDumpOf(source, text);
}

/** The config dump of a source as the JSON it is, wrappers included. */
export async function readConfigDumpJson(source: Source, { eds = false } = {}): Promise<JsonValue> {
  const text = await readConfigDumpText(source, { eds });
  parseConfigDumpOf(source, text);
  return JSON.parse(text) as JsonValue;
}

function readConfigDumpText(source: Source, { eds = false } = {}): Promise<string> {
  return source.read(eds ? '/config_dump?include_eds=true' : '/config_dump');
}

function parseConfigDumpOf(source: Source, text: string): ConfigDump {
  return parseOf(source, text, () => {
    if (source.isFile && isClusters(jsonOrUndefined(text)))
      throw new Error('this is what /clusters answers; expected what GET /config_dump answers');
    return parseConfigDump(text);
  });
}

/** The endpoints of a source: what `/clusters?format=json` answers; a file may hold a config dump (with include_eds) instead. */
export async function readEndpoints(source: Source): Promise<{ clusters: Clusters } | { dump: ConfigDump }> {
  const text = await source.read('/clusters?format=json');
  return parseOf(source, text, () => {
    const json = jsonOrUndefined(text);
    if (isClusters(json)) return { clusters: jsonToMessage(ClustersSchema, json) };
    // A proxy without clusters answers {}.
    if (!source.isFile && JSON.stringify(json) === '{}') return { clusters: jsonToMessage(ClustersSchema, {}) };
    return { dump: parseConfigDump(text) };
  });
}

function isClusters(json: JsonValue | undefined): json is { [key: string]: JsonValue } {
  return (
    typeof json === 'object' &&
    json !== null &&
    !Array.isArray(json) &&
    Array.isArray(json.cluster_statuses ?? json.clusterStatuses)
  );
}

function parseOf<Parsed>(source: Source, text: string, parse: () => Parsed): Parsed {
  const place = jsonOrUndefined(text) === undefined ? jsonErrorPlace(text) : undefined;
  if (place !== undefined) {
    const where =
      text.trim() === '' ? 'it is empty' : `it stops being JSON at line ${place.line}, column ${place.column}`;
    throw new Error(
      `${source.name}: expected what GET /config_dump or /clusters?format=json answers, but ${where}` +
        (source.isFile ? '; save one with: curl -s localhost:15000/config_dump > dump.json' : ''),
    );
  }
  try {
    return parse();
  } catch (error) {
    throw new Error(`${source.name}: ${(error as Error).message}`, { cause: error });
  }
}

function jsonOrUndefined(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

async function readText(file: string): Promise<string> {
  try {
    const text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8');
    return text.replace(/^\ufeff/, '');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new Error(`${file}: there is no such file`);
    if (code === 'EISDIR') throw new Error(`${file} is a folder; expected a file with what GET /config_dump answers`);
    throw new Error(`${file}: ${message}`, { cause: error });
  }
}

async function readAdmin(admin: string, path: string, name: string, io: Io): Promise<string> {
  const url = `http://${admin}${path}`;
  try {
    const response = await io.fetch(url, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS) });
    const text = await response.text();
    if (!response.ok) throw new Error(`it answered ${response.status} ${text.trim().slice(0, 200)}`);
    return text;
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : message;
    throw new Error(`the admin interface of ${name} (${url}) can't be read: ${reason}; is "limen up" still running?`, {
      cause: error,
    });
  }
}
