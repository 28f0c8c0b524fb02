// Values that Istio's schema takes and a proxy refuses. It refuses the whole listener or route configuration that such a value
// stands in, so one of them would keep every later change of everyone's from being served: they are errors here.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding } from '../finding.ts';

/** Text that goes into a request or response head: no line break, no NUL. */
export function checkOneLine(path: FieldPath, text: string | undefined): Finding[] {
  return text === undefined || !/[\0\r\n]/.test(text)
    ? []
    : [error(path, 'has a line break or NUL in it', 'write it on one line')];
}

/**
 * A header's value: one line, in which `%` starts a command operator.
 * https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers
 */
export function checkHeaderValue(path: FieldPath, value: string): Finding[] {
  const findings = checkOneLine(path, value);
  let unknown: string | undefined;
  const rest = value.replaceAll(OPERATOR, (_whole, name: string | undefined) => {
    if (name !== undefined && !isOperator(name)) unknown = name;
    return '';
  });
  if (unknown !== undefined)
    findings.push(error(path, `"%${unknown}%" is no command operator`, 'write %% for a percent sign'));
  else if (rest.includes('%'))
    findings.push(error(path, 'has a "%" that is no command operator', 'write %% for a percent sign'));
  return findings;
}

/** `%%`, `%NAME%`, `%NAME(arguments)%` or `%NAME(arguments):length%` */
const OPERATOR = /%%|%([A-Z][A-Z0-9_]*)(?:\(.*?\))?(?::\d+)?%/g;

/** https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter */
function isOperator(name: string): boolean {
  return /^(?:UPSTREAM|DOWNSTREAM)_/.test(name) || OPERATORS.has(name);
}

const OPERATORS = new Set(
  `REQ RESP TRAILER REQ_WITHOUT_QUERY QUERY_PARAM QUERY_PARAMS PATH START_TIME START_TIME_LOCAL EMIT_TIME EMIT_TIME_LOCAL
  PROTOCOL RESPONSE_CODE RESPONSE_CODE_DETAILS RESPONSE_FLAGS RESPONSE_FLAGS_LONG CONNECTION_TERMINATION_DETAILS
  GRPC_STATUS GRPC_STATUS_NUMBER BYTES_RECEIVED BYTES_SENT BYTES_RETRANSMITTED PACKETS_RETRANSMITTED
  DURATION COMMON_DURATION REQUEST_DURATION REQUEST_TX_DURATION RESPONSE_DURATION RESPONSE_TX_DURATION ROUNDTRIP_DURATION
  ROUTE_NAME VIRTUAL_CLUSTER_NAME REQUESTED_SERVER_NAME CONNECTION_ID STREAM_ID UNIQUE_ID TRACE_ID SPAN_ID CUSTOM_FLAGS
  DYNAMIC_METADATA CLUSTER_METADATA METADATA FILTER_STATE PER_REQUEST_STATE HOSTNAME ENVIRONMENT LOCAL_REPLY_BODY
  FILTER_CHAIN_NAME ACCESS_LOG_TYPE TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT COALESCE`.split(/\s+/),
);

/** A host that is compared with the SNI: `*` stands for whole labels only. */
export function checkSniWildcard(path: FieldPath, host: string): Finding[] {
  return /^\*[^.]/.test(host)
    ? [
        error(
          path,
          `"${host}" has a wildcard for a part of a label, which TLS servers can't have`,
          'write "*.example.com"',
        ),
      ]
    : [];
}
