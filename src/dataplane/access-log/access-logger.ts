// Builds the access logger of a filter's `access_log` field: filter, format and sink of each entry, compiled once.

import type { JsonObject } from '@bufbuild/protobuf';
import { type Any, anyUnpack } from '@bufbuild/protobuf/wkt';
import type { AccessLog } from '../../xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { SubstitutionFormatString } from '../../xds/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import {
  type FileAccessLog,
  FileAccessLogSchema,
} from '../../xds/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '../../xds/gen/envoy/extensions/access_loggers/stream/v3/stream_pb.js';
import { ConfigError } from '../connection.ts';
import { filterType } from '../istio-filters.ts';
import type { AccessLogger, StreamInfo } from '../stream-info.ts';
import { compileFilter, type RecordFilter } from './filters.ts';
import { compileJsonFormat, compileTextFormat, DEFAULT_TEXT_FORMAT, type LineFormat } from './formats.ts';
import type { AccessLogSink, AccessLogSinks } from './sinks.ts';

/** Access logs that are sent to a server. They are traffic's record, not its condition: without them it is served all the same. */
const REMOTE = new Set([
  'envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig',
  'envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig',
  'envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig',
]);

interface Entry {
  readonly filter: RecordFilter | undefined;
  readonly format: LineFormat;
  readonly sink: AccessLogSink;
}

/**
 * @param configs the `access_log` entries of a filter or listener
 * @param sinks where lines go: one per worker, shared by all loggers
 * @returns a logger that writes one line per entry whose filter matches; with no entries, one that does nothing
 * @param skipped told of access logs that are sent elsewhere, which Limen does not do
 * @throws ConfigError naming the entry and the field that Limen cannot serve
 */
export function createAccessLogger(
  configs: readonly AccessLog[],
  sinks: AccessLogSinks,
  skipped: (what: string, why: string) => void = () => {},
): AccessLogger {
  // Everything is checked before the first file is opened: a refused configuration leaves nothing behind.
  const compiled = configs.flatMap((config, index) => {
    const type = filterType(config.configType.value);
    if (!REMOTE.has(type)) return [compileEntry(config, `access_log[${index}]`)];
    skipped(
      `access log ${config.name} (${type})`,
      'left out: access logs are written to files, stdout and stderr only',
    );
    return [];
  });
  const entries: Entry[] = compiled.map(({ path, filter, format }) => ({ filter, format, sink: sinks.open(path) }));
  const only = entries[0];
  if (only === undefined) return { log: () => {} };
  if (entries.length === 1 && only.filter === undefined) {
    const { format, sink } = only;
    return { log: (info) => sink.write(format(info)) };
  }
  return {
    log(info: StreamInfo): void {
      for (const { filter, format, sink } of entries)
        if (filter === undefined || filter(info)) sink.write(format(info));
    },
  };
}

function compileEntry(
  config: AccessLog,
  at: string,
): { path: string; filter: RecordFilter | undefined; format: LineFormat } {
  const filter = config.filter === undefined ? undefined : compileFilter(config.filter, `${at}.filter`);
  if (config.configType.case !== 'typedConfig')
    throw new ConfigError(`${at}.typed_config: required, the kind of access log`);
  const any = config.configType.value;
  const { path, format } = unpack(any, at);
  return { path, filter, format };
}

function unpack(any: Any, at: string): { path: string; format: LineFormat } {
  const field = `${at}.typed_config`;
  try {
    const file = anyUnpack(any, FileAccessLogSchema);
    if (file !== undefined) {
      if (file.path === '') throw new ConfigError(`${field}.path: required, the file to write to`);
      return { path: file.path, format: fileFormat(file, field) };
    }
    const stdout = anyUnpack(any, StdoutAccessLogSchema);
    if (stdout !== undefined)
      return { path: '/dev/stdout', format: streamFormat(stdout.accessLogFormat.value, `${field}.log_format`) };
    const stderr = anyUnpack(any, StderrAccessLogSchema);
    if (stderr !== undefined)
      return { path: '/dev/stderr', format: streamFormat(stderr.accessLogFormat.value, `${field}.log_format`) };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`${field}: ${error instanceof Error ? error.message : String(error)}`);
  }
  throw new ConfigError(
    `${field}: ${any.typeUrl} is not supported; supported are envoy.extensions.access_loggers.file.v3.FileAccessLog and envoy.extensions.access_loggers.stream.v3.StdoutAccessLog and StderrAccessLog`,
  );
}

function fileFormat(file: FileAccessLog, field: string): LineFormat {
  const format = file.accessLogFormat;
  switch (format.case) {
    case undefined:
      return compileTextFormat(DEFAULT_TEXT_FORMAT, false);
    case 'format':
      return compileTextFormat(format.value === '' ? DEFAULT_TEXT_FORMAT : format.value, false);
    case 'jsonFormat':
    case 'typedJsonFormat':
      return compileJsonFormat(format.value as JsonObject, false);
    case 'logFormat':
      return substitutionFormat(format.value, `${field}.log_format`);
  }
}

function streamFormat(format: SubstitutionFormatString | undefined, field: string): LineFormat {
  return format === undefined ? compileTextFormat(DEFAULT_TEXT_FORMAT, false) : substitutionFormat(format, field);
}

function substitutionFormat(config: SubstitutionFormatString, field: string): LineFormat {
  const { format, omitEmptyValues } = config;
  switch (format.case) {
    case 'textFormat':
      return compileTextFormat(format.value, omitEmptyValues);
    case 'textFormatSource': {
      const source = format.value.specifier;
      if (source.case === 'inlineString') return compileTextFormat(source.value, omitEmptyValues);
      if (source.case === 'inlineBytes')
        return compileTextFormat(Buffer.from(source.value).toString('utf8'), omitEmptyValues);
      throw new ConfigError(`${field}.text_format_source: only inline_string and inline_bytes are supported`);
    }
    case 'jsonFormat':
      return compileJsonFormat(format.value, omitEmptyValues);
    case undefined:
      throw new ConfigError(`${field}: text_format_source or json_format is required`);
  }
}
