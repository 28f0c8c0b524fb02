// `/server_info`: version, state, uptime and node, as envoy.admin.v3.ServerInfo.

import { create, type JsonValue } from '@bufbuild/protobuf';
import { ServerInfo_State, ServerInfoSchema } from '../../xds/gen/envoy/admin/v3/server_info_pb.js';
import { dumpToJson } from '../../xds/json.ts';
import type { DataplaneView } from './view.ts';

/** @param now milliseconds since the epoch */
export function serverInfo(view: DataplaneView, now: number): JsonValue {
  const uptime = { seconds: BigInt(Math.max(0, Math.floor((now - view.startTime) / 1000))) };
  const state = view.state();
  const message = create(ServerInfoSchema, {
    version: view.version,
    state: ServerInfo_State[state],
    uptimeCurrentEpoch: uptime,
    uptimeAllEpochs: uptime,
    hotRestartVersion: 'disabled',
    commandLineOptions: { concurrency: view.concurrency, disableHotRestart: true, logLevel: view.logLevel() },
    node: view.node,
  });
  // LIVE is the enum's default, which JSON would leave out; Envoy prints it.
  const { version, ...rest } = dumpToJson(message) as Record<string, JsonValue>;
  return { version: version ?? '', state, ...rest };
}
