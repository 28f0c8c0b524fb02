// Access logs as the mesh configuration wants them, in Istio's default formats.
// https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format

import { create, type JsonObject } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import {
  type AccessLog,
  AccessLogFilterSchema,
  AccessLogSchema,
  ResponseFlagFilterSchema,
} from '../../xds/gen/envoy/config/accesslog/v3/accesslog_pb.js';
import { DataSourceSchema } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type SubstitutionFormatString,
  SubstitutionFormatStringSchema,
} from '../../xds/gen/envoy/config/core/v3/substitution_format_string_pb.js';
import { FileAccessLogSchema } from '../../xds/gen/envoy/extensions/access_loggers/file/v3/file_pb.js';
import { type MeshConfig, parseJsonFormat } from '../mesh-config.ts';

/** Istio's default text format. */
const DEFAULT_TEXT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% ' +
  '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% ' +
  '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

/** Istio's default JSON fields. */
const DEFAULT_JSON_FORMAT: JsonObject = {
  start_time: '%START_TIME%',
  route_name: '%ROUTE_NAME%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  protocol: '%PROTOCOL%',
  response_code: '%RESPONSE_CODE%',
  response_flags: '%RESPONSE_FLAGS%',
  response_code_details: '%RESPONSE_CODE_DETAILS%',
  connection_termination_details: '%CONNECTION_TERMINATION_DETAILS%',
  bytes_received: '%BYTES_RECEIVED%',
  bytes_sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  upstream_service_time: '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%',
  x_forwarded_for: '%REQ(X-FORWARDED-FOR)%',
  user_agent: '%REQ(USER-AGENT)%',
  request_id: '%REQ(X-REQUEST-ID)%',
  authority: '%REQ(:AUTHORITY)%',
  upstream_host: '%UPSTREAM_HOST%',
  upstream_cluster: '%UPSTREAM_CLUSTER_RAW%',
  upstream_local_address: '%UPSTREAM_LOCAL_ADDRESS%',
  downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
  downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
  requested_server_name: '%REQUESTED_SERVER_NAME%',
  upstream_transport_failure_reason: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
};

/** The access log of a connection manager or TCP proxy; none when it is not configured. */
export function accessLogs(mesh: MeshConfig): AccessLog[] {
  if (mesh.accessLogFile === '') return [];
  const file = create(FileAccessLogSchema, {
    path: mesh.accessLogFile,
    accessLogFormat: { case: 'logFormat', value: formatOf(mesh) },
  });
  return [
    create(AccessLogSchema, {
      name: 'envoy.access_loggers.file',
      configType: { case: 'typedConfig', value: anyPack(FileAccessLogSchema, file) },
    }),
  ];
}

/** The access log of a listener: connections that no filter chain wants, which nothing else would log. */
export function listenerAccessLogs(mesh: MeshConfig): AccessLog[] {
  return accessLogs(mesh).map((log) => {
    const value = create(ResponseFlagFilterSchema, { flags: ['NR'] });
    log.filter = create(AccessLogFilterSchema, { filterSpecifier: { case: 'responseFlagFilter', value } });
    return log;
  });
}

function formatOf({ accessLogEncoding, accessLogFormat }: MeshConfig): SubstitutionFormatString {
  if (accessLogEncoding === 'JSON') {
    const value =
      accessLogFormat === '' ? DEFAULT_JSON_FORMAT : (parseJsonFormat(accessLogFormat) ?? DEFAULT_JSON_FORMAT);
    return create(SubstitutionFormatStringSchema, { format: { case: 'jsonFormat', value } });
  }
  let text = accessLogFormat === '' ? DEFAULT_TEXT_FORMAT : accessLogFormat;
  // Istio ends each line; who writes the format rarely thinks of it.
  if (!text.endsWith('\n')) text += '\n';
  const value = create(DataSourceSchema, { specifier: { case: 'inlineString', value: text } });
  return create(SubstitutionFormatStringSchema, { format: { case: 'textFormatSource', value } });
}
