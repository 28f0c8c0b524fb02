// The command operators of access log formats: what each reads from the record of a request.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators

import { hostname } from 'node:os';
import { ConfigError } from '../connection.ts';
import { RESPONSE_FLAGS, responseFlagsText, type StreamInfo } from '../stream-info.ts';
import type { Command } from './format-string.ts';
import { compileHeaderOperator } from './header-operators.ts';
import { compileTimeFormat } from './time-format.ts';

/** Reads one value; undefined where the request has none (printed `-`, or null in JSON). Numbers stay numbers in JSON. */
export type Operator = (info: StreamInfo) => string | number | undefined;

/** What may follow an operator's name. */
interface Syntax {
  readonly parameter: 'none' | 'optional' | 'required';
  readonly length: boolean;
}

interface Definition extends Syntax {
  readonly compile: (command: Command) => Operator;
}

const plain = (operator: Operator): Definition => ({ parameter: 'none', length: false, compile: () => operator });
const text = (read: (info: StreamInfo) => string): Definition => plain((info) => read(info) || undefined);
/** Milliseconds, -1 for "did not happen". */
const duration = (read: (info: StreamInfo) => number): Definition =>
  plain((info) => {
    const ms = read(info);
    return ms < 0 ? undefined : Math.floor(ms);
  });
const header = (from: 'request' | 'response' | 'trailer'): Definition => ({
  parameter: 'required',
  length: true,
  compile: (command) => compileHeaderOperator(command, from),
});
const time = (read: (info: StreamInfo) => number): Definition => ({
  parameter: 'optional',
  length: false,
  compile: (command) => {
    const format = compileTimeFormat(command.parameter);
    return (info) => format(read(info));
  },
});
/** Known to Envoy, about things Limen's proxy does not have: always absent. */
const absent = (syntax: Partial<Syntax> = {}): Definition => ({
  parameter: 'none',
  length: false,
  ...syntax,
  compile: () => () => undefined,
});
const METADATA: Partial<Syntax> = { parameter: 'required', length: true };

/** `10.0.0.1:80` → `10.0.0.1`, `[::1]:80` → `::1`. Envoy prints an address without its port without brackets. */
function withoutPort(address: string): string {
  const colon = address.lastIndexOf(':');
  if (colon === -1) return address;
  return address.charCodeAt(0) === 0x5b ? address.slice(1, colon - 1) : address.slice(0, colon);
}

function portOf(address: string): number | undefined {
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  return address === '' || !Number.isInteger(port) ? undefined : port;
}

/** White space would break a log line into other fields; Envoy writes underscores. */
function withUnderscores(value: string): string {
  return /\s/.test(value) ? value.replaceAll(/\s/g, '_') : value;
}

/** A name from a ClientHello is a stranger's text: what cannot stand in a host name is replaced and marked, as Envoy does. */
function sanitizedServerName(name: string): string {
  return /^[A-Za-z0-9.\-_:]*$/.test(name) ? name : `INVALID:${name.replaceAll(/[^A-Za-z0-9.\-_:]/g, '_')}`;
}

const LONG_FLAG_NAMES: Readonly<Record<string, string>> = {
  UH: 'NoHealthyUpstream',
  UF: 'UpstreamConnectionFailure',
  UO: 'UpstreamOverflow',
  NR: 'NoRouteFound',
  URX: 'UpstreamRetryLimitExceeded',
  NC: 'NoClusterFound',
  DT: 'DurationTimeout',
  DC: 'DownstreamConnectionTermination',
  LR: 'LocalReset',
  UR: 'UpstreamRemoteReset',
  UC: 'UpstreamConnectionTermination',
  UT: 'UpstreamRequestTimeout',
  DPE: 'DownstreamProtocolError',
  UPE: 'UpstreamProtocolError',
  SI: 'StreamIdleTimeout',
  OM: 'OverloadManagerTerminated',
  DF: 'DnsResolutionFailed',
};

function longFlags(flags: readonly number[]): string {
  return flags.length === 0 ? '-' : flags.map((flag) => LONG_FLAG_NAMES[RESPONSE_FLAGS.get(flag)!]).join(',');
}

const DEFINITIONS: Readonly<Record<string, Definition>> = {
  START_TIME: time((info) => info.startTime),
  EMIT_TIME: time((info) => info.startTime + Math.max(0, info.durationMs)),
  REQ: header('request'),
  REQUEST_HEADER: header('request'),
  RESP: header('response'),
  RESPONSE_HEADER: header('response'),
  TRAILER: header('trailer'),
  RESPONSE_TRAILER: header('trailer'),
  PROTOCOL: text((info) => info.protocol),
  RESPONSE_CODE: plain((info) => info.responseCode),
  RESPONSE_CODE_DETAILS: {
    parameter: 'optional',
    length: false,
    compile: ({ parameter }) =>
      parameter === 'ALLOW_WHITESPACES'
        ? (info) => info.responseCodeDetails || undefined
        : (info) => (info.responseCodeDetails === '' ? undefined : withUnderscores(info.responseCodeDetails)),
  },
  CONNECTION_TERMINATION_DETAILS: text((info) => info.connectionTerminationDetails),
  RESPONSE_FLAGS: plain((info) => responseFlagsText(info.responseFlags)),
  RESPONSE_FLAGS_LONG: plain((info) => longFlags(info.responseFlags)),
  BYTES_RECEIVED: plain((info) => info.bytesReceived),
  BYTES_SENT: plain((info) => info.bytesSent),
  DURATION: duration((info) => info.durationMs),
  REQUEST_DURATION: duration((info) => info.requestLastByteMs),
  RESPONSE_DURATION: duration((info) => info.upstreamFirstByteMs),
  RESPONSE_TX_DURATION: duration((info) =>
    info.upstreamFirstByteMs < 0 || info.durationMs < 0 ? -1 : Math.max(0, info.durationMs - info.upstreamFirstByteMs),
  ),
  UPSTREAM_HOST: text((info) => info.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS: text((info) => info.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: text((info) => withoutPort(info.upstreamHost)),
  UPSTREAM_REMOTE_PORT: plain((info) => portOf(info.upstreamHost)),
  // Limen's clusters have no alt_stat_name, so the observability name is the name.
  UPSTREAM_CLUSTER: text((info) => info.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: text((info) => info.upstreamCluster),
  UPSTREAM_LOCAL_ADDRESS: text((info) => info.upstreamLocalAddress),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: text((info) => withoutPort(info.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: plain((info) => portOf(info.upstreamLocalAddress)),
  UPSTREAM_TRANSPORT_FAILURE_REASON: text((info) =>
    info.upstreamTransportFailureReason === '' ? '' : withUnderscores(info.upstreamTransportFailureReason),
  ),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain((info) => info.upstreamRequestAttemptCount),
  DOWNSTREAM_LOCAL_ADDRESS: text((info) => info.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: text((info) => withoutPort(info.downstreamLocalAddress)),
  DOWNSTREAM_LOCAL_PORT: plain((info) => portOf(info.downstreamLocalAddress)),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS: text((info) => info.downstreamLocalAddress),
  DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT: text((info) => withoutPort(info.downstreamLocalAddress)),
  DOWNSTREAM_DIRECT_LOCAL_PORT: plain((info) => portOf(info.downstreamLocalAddress)),
  DOWNSTREAM_REMOTE_ADDRESS: text((info) => info.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: text((info) => withoutPort(info.downstreamRemoteAddress)),
  DOWNSTREAM_REMOTE_PORT: plain((info) => portOf(info.downstreamRemoteAddress)),
  // The record holds one client address; it is the peer's own as long as nothing rewrites it.
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: text((info) => info.downstreamRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: text((info) => withoutPort(info.downstreamRemoteAddress)),
  DOWNSTREAM_DIRECT_REMOTE_PORT: plain((info) => portOf(info.downstreamRemoteAddress)),
  REQUESTED_SERVER_NAME: text((info) =>
    info.requestedServerName === '' ? '' : sanitizedServerName(info.requestedServerName),
  ),
  ROUTE_NAME: text((info) => info.routeName),
  DOWNSTREAM_TLS_VERSION: text((info) => info.downstreamTlsVersion),
  DOWNSTREAM_TLS_CIPHER: text((info) => info.downstreamTlsCipher),
  DOWNSTREAM_PEER_SUBJECT: text((info) => info.downstreamPeerSubject),
  DOWNSTREAM_PEER_URI_SAN: text((info) => info.downstreamPeerUriSan),
  HOSTNAME: {
    parameter: 'none',
    length: false,
    compile: () => {
      const name = hostname();
      return () => name;
    },
  },
  DYNAMIC_METADATA: absent(METADATA),
  CLUSTER_METADATA: absent({ parameter: 'required' }),
  UPSTREAM_METADATA: absent({ parameter: 'required' }),
  FILTER_STATE: absent(METADATA),
  UPSTREAM_FILTER_STATE: absent(METADATA),
  METADATA: absent({ parameter: 'required' }),
  FILTER_CHAIN_NAME: absent(),
  VIRTUAL_CLUSTER_NAME: absent(),
  CONNECTION_ID: absent(),
  UPSTREAM_CONNECTION_ID: absent(),
  UPSTREAM_PROTOCOL: absent(),
  UPSTREAM_TLS_VERSION: absent(),
  UPSTREAM_TLS_CIPHER: absent(),
  UPSTREAM_PEER_SUBJECT: absent(),
  UPSTREAM_PEER_URI_SAN: absent(),
  DOWNSTREAM_LOCAL_URI_SAN: absent(),
  DOWNSTREAM_LOCAL_SUBJECT: absent(),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: absent(),
  GRPC_STATUS: {
    parameter: 'optional',
    length: false,
    compile: ({ parameter, text }) => {
      if (!['', 'CAMEL_STRING', 'SNAKE_STRING', 'NUMBER'].includes(parameter))
        throw new ConfigError(`access log format: ${text}: CAMEL_STRING, SNAKE_STRING or NUMBER expected`);
      return () => undefined;
    },
  },
  GRPC_STATUS_NUMBER: absent(),
  TRACE_ID: absent(),
  STREAM_ID: absent(),
};

/**
 * @throws ConfigError for an operator that is not known, and for a parameter or length where none may stand or one is needed
 */
export function compileOperator(command: Command): Operator {
  const definition = Object.hasOwn(DEFINITIONS, command.name) ? DEFINITIONS[command.name] : undefined;
  if (definition === undefined)
    throw new ConfigError(
      `access log format: the command operator ${command.text} is not known; known are ${Object.keys(DEFINITIONS).sort().join(', ')}`,
    );
  if (definition.parameter === 'none' && (command.parameter !== '' || command.maxLength !== undefined))
    throw new ConfigError(`access log format: ${command.text}: ${command.name} does not take any parameters or length`);
  if (definition.parameter === 'required' && command.parameter === '')
    throw new ConfigError(`access log format: ${command.text}: ${command.name} requires parameters`);
  if (!definition.length && command.maxLength !== undefined)
    throw new ConfigError(`access log format: ${command.text}: ${command.name} does not allow length to be specified`);
  return definition.compile(command);
}
