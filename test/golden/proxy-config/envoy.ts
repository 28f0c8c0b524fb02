// Starts the real Envoy with the gateway of gateway.ts, its xDS resources read from files. Nothing listens but the admin interface, on
// loopback.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { type ConfigSource, clusters, ENDPOINTS, listeners, NODE, ROUTES, STATIC_CLUSTERS, STATIC_LISTENERS } from './gateway.ts';

const TYPES = {
  lds: 'envoy.config.listener.v3.Listener',
  rds: 'envoy.config.route.v3.RouteConfiguration',
  cds: 'envoy.config.cluster.v3.Cluster',
  eds: 'envoy.config.endpoint.v3.ClusterLoadAssignment',
  sds: 'envoy.extensions.transport_sockets.tls.v3.Secret',
} as const;

/** A running Envoy. */
export interface RunningEnvoy {
  /** `host:port` */
  admin: string;
  close(): Promise<void>;
}

/** Starts it and waits until it has all of its configuration. Throws with Envoy's log when it can't. */
export async function startEnvoy(secrets: readonly JsonObject[]): Promise<RunningEnvoy> {
  const folder = mkdtempSync(join(tmpdir(), 'limen-envoy-'));
  mkdirSync(join(folder, 'rds'));
  mkdirSync(join(folder, 'eds'));
  mkdirSync(join(folder, 'sds'));
  const write = (kind: keyof typeof TYPES, file: string, resources: readonly JsonObject[]): JsonObject => {
    const path = join(folder, file);
    const typed = resources.map((resource) => ({ '@type': `type.googleapis.com/${TYPES[kind]}`, ...resource }));
    writeFileSync(path, JSON.stringify({ version_info: '1', resources: typed }));
    return { path_config_source: { path }, resource_api_version: 'V3' };
  };
  const all = { rds: ROUTES, eds: ENDPOINTS, sds: secrets };
  const source: ConfigSource = (kind, name) => {
    const found = all[kind].filter((resource) => (resource.name ?? resource.cluster_name) === name);
    return write(kind, join(kind, `${encodeURIComponent(name)}.json`), found);
  };
  const adminFile = join(folder, 'admin');
  const bootstrap = {
    node: NODE,
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    dynamic_resources: {
      lds_config: write('lds', 'lds.json', listeners(source)),
      cds_config: write('cds', 'cds.json', clusters(source)),
    },
    static_resources: { listeners: STATIC_LISTENERS, clusters: STATIC_CLUSTERS },
  };
  writeFileSync(join(folder, 'envoy.json'), JSON.stringify(bootstrap));
  const args = ['-c', join(folder, 'envoy.json'), '--admin-address-path', adminFile, '--use-dynamic-base-id'];
  const envoy = spawn('envoy', [...args, '--concurrency', '1', '-l', 'warning'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  envoy.stderr.on('data', (chunk: Buffer) => {
    log += chunk;
  });
  const close = async () => {
    await stop(envoy);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const admin = await adminAddress(envoy, folder, adminFile, () => log);
    await untilLive(admin, envoy, () => log);
    return { admin, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function stop(envoy: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (envoy.exitCode !== null || envoy.signalCode !== null) return done();
    envoy.once('exit', () => done());
    envoy.kill('SIGKILL');
  });
}

/** Envoy writes the address it bound into a file. */
function adminAddress(envoy: ChildProcess, folder: string, file: string, log: () => string): Promise<string> {
  return new Promise((found, failed) => {
    const look = () => {
      const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
      if (text === '') return;
      watcher.close();
      found(text);
    };
    const watcher = watch(folder, look);
    envoy.once('exit', () => {
      watcher.close();
      failed(new Error(`envoy ended: ${log()}`));
    });
    envoy.once('error', (error) => {
      watcher.close();
      failed(error);
    });
    look();
  });
}

/** /ready answers 200 once every resource arrived. */
async function untilLive(admin: string, envoy: ChildProcess, log: () => string): Promise<void> {
  while (envoy.exitCode === null) {
    const response = await fetch(`http://${admin}/ready`);
    await response.arrayBuffer();
    if (response.ok) return;
    await new Promise((next) => setTimeout(next, 20));
  }
  throw new Error(`envoy ended: ${log()}`);
}
