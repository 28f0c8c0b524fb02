// Builds the access logger of a filter's `access_log` field: filter, format and sink of each entry, compiled once.

import type { AccessLog } from '../../xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import type { AccessLogger } from '../stream-info.ts';
import type { AccessLogSinks } from './sinks.ts';

/**
 * @param configs the `access_log` entries of a filter or listener
 * @param sinks where lines go: one per worker, shared by all loggers
 * @returns a logger that writes one line per entry whose filter matches; with no entries, one that does nothing
 * @throws ConfigError naming the entry and the field that Limen cannot serve
 */
export declare function createAccessLogger(configs: readonly AccessLog[], sinks: AccessLogSinks): AccessLogger;
