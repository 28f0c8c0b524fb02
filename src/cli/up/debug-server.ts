// The control plane's debug interface, on loopback: what other commands ask it. Path and answer are istiod's.
// https://github.com/istio/istio (pilot/pkg/xds/debug.go)

import type { Logger } from 'pino';
import { startEndpoint } from '../../dataplane/admin/http-endpoint.ts';
import { refuseStrangers } from '../../dataplane/admin/loopback-only.ts';
import type { AdsServer } from '../../xds/server.ts';
import { syncStatus } from '../proxy-status/sync-status.ts';
import { VERSION } from '../version.ts';

/** A debug interface that listens. */
export interface DebugServer {
  /** `host:port` */
  readonly address: string;
  close(): Promise<void>;
}

/** Starts to listen on any free port. `GET /debug/syncz`: which proxies are connected, and how far each has followed. */
export async function startDebugServer(ads: Pick<AdsServer, 'clients'>, log: Logger): Promise<DebugServer> {
  const host = '127.0.0.1';
  const endpoint = await startEndpoint({
    host,
    port: 0,
    log,
    refuse: refuseStrangers,
    answer: ({ method, path }) => {
      if (path !== '/debug/syncz') return { status: 404, body: 'what there is: /debug/syncz\n' };
      if (method !== 'GET' && method !== 'HEAD') return { status: 405, body: 'expected GET\n' };
      const body = `${JSON.stringify(syncStatus(ads.clients(), VERSION), undefined, 2)}\n`;
      return { status: 200, contentType: 'application/json', body };
    },
  });
  return { address: `${host}:${endpoint.port}`, close: () => endpoint.close() };
}
