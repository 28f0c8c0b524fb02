// Our proxy and a real Envoy, both clients of one ADS server, and the change from one configuration to the next.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import pino from 'pino';
import { ZIPKIN_TRACER } from '../../src/cli/envoy/bootstrap.ts';
import { AddressSchema } from '../../src/xds/gen/envoy/config/core/v3/address_pb.js';
import { ListenerSchema } from '../../src/xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type EncodedResource, encodeResource, type ResourceSet, TypeUrl } from '../../src/xds/resources.ts';
import { AdsServer } from '../../src/xds/server.ts';
import { NODE } from '../controlplane/golden.ts';
import { SENTINEL_PORT } from './mesh.ts';

/** One of the two. */
export interface DataPlane {
  readonly name: 'Limen' | 'Envoy';
  /** Where a listener of that port is reached on 127.0.0.1. */
  readonly ports: ReadonlyMap<number, number>;
  /** All access log records so far, in order. */
  accessLog(): Record<string, unknown>[];
}

/** The ports that listeners of configurations may have. */
const LISTENER_PORTS = [8080, 8443, 31_400, 9090, 15_001, SENTINEL_PORT];

const LIMEN = join(import.meta.dirname, '../../bin/limen.js');
const NODE_IDS = { Limen: NODE.id, Envoy: NODE.id.replace('127.0.0.1', '127.0.0.2') } as const;
const LABELS = Object.entries(NODE.labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
const POLL_MS = 10;

/** Both proxies. */
export class Proxies {
  readonly limen: DataPlane;
  readonly envoy: DataPlane;
  readonly #server: AdsServer;
  readonly #stop: () => Promise<void>;
  readonly #serve: (resources: ResourceSet) => void;
  readonly #admins: readonly string[];
  readonly #errors: () => string;

  private constructor(parts: {
    limen: DataPlane;
    envoy: DataPlane;
    server: AdsServer;
    stop: () => Promise<void>;
    serve: (resources: ResourceSet) => void;
    admins: readonly string[];
    errors: () => string;
  }) {
    this.limen = parts.limen;
    this.envoy = parts.envoy;
    this.#server = parts.server;
    this.#stop = parts.stop;
    this.#serve = parts.serve;
    this.#admins = parts.admins;
    this.#errors = parts.errors;
  }

  /** Starts both with a first configuration. */
  static async start(first: ResourceSet): Promise<Proxies> {
    const folder = mkdtempSync(join(tmpdir(), 'limen-parity-'));
    const children: ChildProcess[] = [];
    let resources = first;
    const envoyPorts = await freePorts(LISTENER_PORTS);
    const server = new AdsServer({
      log: pino({ level: 'silent' }),
      resourcesFor: ({ id }) => (id === NODE_IDS.Envoy ? onLoopback(resources, envoyPorts) : resources),
    });
    const stop = async () => {
      await Promise.all(children.map(ended));
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      const xdsPort = await server.listen('127.0.0.1:0');
      const envoy = startEnvoy(folder, xdsPort);
      children.push(envoy);
      const limen = startLimen(folder, xdsPort);
      children.push(limen);
      const limenReady = await readiness(limen, folder);
      const envoyAdmin = await envoyAdminAddress(folder, envoy);
      return new Proxies({
        limen: { name: 'Limen', ports: limenReady.ports, accessLog: () => recordsOf(join(folder, 'limen.log')) },
        envoy: { name: 'Envoy', ports: envoyPorts, accessLog: () => recordsOf(join(folder, 'envoy.log')) },
        server,
        stop,
        serve: (next) => {
          resources = next;
        },
        admins: [limenReady.admin, envoyAdmin],
        errors: () => ['limen.err', 'envoy.err'].map((file) => readFileSync(join(folder, file), 'utf8')).join(''),
      });
    } catch (error) {
      await stop();
      throw error;
    }
  }

  /**
   * Makes a configuration serve on both.
   * @param id what its sentinel answers
   * @throws Error when one of them refuses it
   */
  async switchTo(resources: ResourceSet, id: string): Promise<void> {
    this.#serve(resources);
    this.#server.push();
    const listeners = [...(resources.get(TypeUrl.Listener)?.keys() ?? [])].sort().join(' ');
    while (!this.#acknowledged()) await pause();
    for (const admin of this.#admins) {
      while ((await listenersOf(admin)) !== listeners) await pause();
    }
    for (const proxy of [this.limen, this.envoy]) {
      while (!(await askSentinel(proxy, '/')).includes(`\r\n\r\n${id}`)) await pause();
      while (!this.#acknowledged()) await pause();
      // What was accepted last is on its way to the worker; a request behind it comes out when it has arrived.
      await askSentinel(proxy, '/');
    }
  }

  /** Resolves once both have logged everything that happened before. */
  async logged(): Promise<void> {
    barriers += 1;
    const path = `/barrier-${barriers}`;
    for (const proxy of [this.limen, this.envoy]) {
      await askSentinel(proxy, path);
      while (!proxy.accessLog().some((record) => record.path === path)) await pause();
    }
  }

  /** What both wrote to their standard error. */
  errors(): string {
    return this.#errors();
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  #acknowledged(): boolean {
    const clients = this.#server.clients();
    for (const { node, subscriptions } of clients) {
      for (const { refusal, typeUrl } of subscriptions) {
        if (refusal !== undefined)
          throw new Error(`${node.id === NODE_IDS.Envoy ? 'Envoy' : 'Limen'} refuses ${typeUrl}: ${refusal.message}`);
      }
    }
    return (
      clients.length === 2 &&
      clients.every(({ subscriptions }) => subscriptions.every((each) => each.sentVersion === each.ackedVersion))
    );
  }
}

let barriers = 0;

/** The same resources with each listener on a free port of 127.0.0.1. */
function onLoopback(resources: ResourceSet, ports: ReadonlyMap<number, number>): ResourceSet {
  const listeners = new Map<string, EncodedResource>();
  for (const [name, { any }] of resources.get(TypeUrl.Listener) ?? []) {
    const listener = fromBinary(ListenerSchema, any.value);
    const socket = listener.address?.address.value;
    const port = socket !== undefined && 'portSpecifier' in socket ? Number(socket.portSpecifier.value) : 0;
    const portValue = ports.get(port);
    if (portValue === undefined) throw new Error(`listener ${name}: the suite has no port for ${port}`);
    listener.address = create(AddressSchema, {
      address: {
        case: 'socketAddress',
        value: { address: '127.0.0.1', portSpecifier: { case: 'portValue', value: portValue } },
      },
    });
    listener.additionalAddresses = [];
    listeners.set(name, encodeResource(name, ListenerSchema, listener));
  }
  return new Map([...resources, [TypeUrl.Listener, listeners]]);
}

function startLimen(folder: string, xdsPort: number): ChildProcess {
  const flags = [
    '--xds',
    `127.0.0.1:${xdsPort}`,
    '--node-id',
    NODE_IDS.Limen,
    ...LABELS,
    '--admin-address',
    '127.0.0.1:0',
  ];
  const publish = LISTENER_PORTS.flatMap((port) => ['--publish', `127.0.0.1:0:${port}`]);
  return inFolder(
    folder,
    'limen',
    process.execPath,
    [LIMEN, 'proxy', ...flags, ...publish, '--log-level', 'error'],
    ['ipc'],
  );
}

function startEnvoy(folder: string, xdsPort: number): ChildProcess {
  const source = { resource_api_version: 'V3', ads: {}, initial_fetch_timeout: '0s' };
  const endpoint = { address: { socket_address: { address: '127.0.0.1', port_value: xdsPort } } };
  const bootstrap = {
    node: { id: NODE_IDS.Envoy, cluster: NODE.cluster },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    // As Istio's own bootstrap has it.
    layered_runtime: {
      layers: [
        {
          name: 'global config',
          static_layer: {
            'envoy.reloadable_features.http_reject_path_with_fragment': false,
            're2.max_program_size.error_level': 32768,
          },
        },
      ],
    },
    dynamic_resources: {
      lds_config: source,
      cds_config: source,
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
    },
    tracing: { http: ZIPKIN_TRACER },
    static_resources: {
      clusters: [
        { name: 'zipkin', type: 'STATIC', load_assignment: { cluster_name: 'zipkin' } },
        {
          name: 'xds',
          type: 'STATIC',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: { cluster_name: 'xds', endpoints: [{ lb_endpoints: [{ endpoint }] }] },
        },
      ],
    },
  };
  writeFileSync(join(folder, 'envoy.json'), JSON.stringify(bootstrap));
  const flags = ['--use-dynamic-base-id', '--concurrency', '1', '--log-level', process.env.PARITY_ENVOY_LOG ?? 'error'];
  const files = ['-c', join(folder, 'envoy.json'), '--admin-address-path', join(folder, 'envoy.admin')];
  const times = ['--file-flush-interval-msec', '5', '--drain-time-s', '1', '--parent-shutdown-time-s', '2'];
  return inFolder(folder, 'envoy', 'envoy', [...files, ...flags, ...times], []);
}

/** Standard output and error go to files: a program can open /dev/stdout anew where it is one, and not where it is a socket. */
function inFolder(folder: string, name: string, program: string, args: string[], more: 'ipc'[]): ChildProcess {
  const out = openSync(join(folder, `${name}.log`), 'a');
  const err = openSync(join(folder, `${name}.err`), 'a');
  try {
    return spawn(program, args, { cwd: folder, stdio: ['ignore', out, err, ...more] });
  } finally {
    closeSync(out);
    closeSync(err);
  }
}

async function readiness(limen: ChildProcess, folder: string): Promise<{ admin: string; ports: Map<number, number> }> {
  return new Promise((resolve, reject) => {
    limen.once('exit', () =>
      reject(new Error(`limen proxy ended: ${readFileSync(join(folder, 'limen.err'), 'utf8')}`)),
    );
    limen.on(
      'message',
      (message: { type: string; admin: string; published: { port: number; listenerPort: number }[] }) => {
        if (message.type !== 'ready') return;
        const ports = new Map(message.published.map(({ port, listenerPort }) => [listenerPort, port]));
        resolve({ admin: message.admin, ports });
      },
    );
  });
}

async function envoyAdminAddress(folder: string, envoy: ChildProcess): Promise<string> {
  const file = join(folder, 'envoy.admin');
  while (!existsSync(file) || readFileSync(file, 'utf8') === '') {
    if (envoy.exitCode !== null) throw new Error(`envoy ended: ${readFileSync(join(folder, 'envoy.err'), 'utf8')}`);
    await pause();
  }
  return readFileSync(file, 'utf8').trim();
}

/** The names of the listeners that serve; '' while one still warms. */
async function listenersOf(admin: string): Promise<string> {
  const dump = (await (await fetch(`http://${admin}/config_dump`)).json()) as {
    configs: {
      '@type': string;
      dynamic_listeners?: { name: string; active_state?: object; warming_state?: object }[];
    }[];
  };
  const listeners =
    dump.configs.find((config) => config['@type'].endsWith('.ListenersConfigDump'))?.dynamic_listeners ?? [];
  if (listeners.some(({ warming_state }) => warming_state !== undefined)) return '';
  const active = listeners.filter(({ active_state }) => active_state !== undefined);
  return active
    .map(({ name }) => name)
    .sort()
    .join(' ');
}

/** What the sentinel answers, head and all; '' when it doesn't listen yet. */
function askSentinel({ ports }: DataPlane, path: string): Promise<string> {
  return new Promise((resolve) => {
    let received = '';
    const socket = connect(ports.get(SENTINEL_PORT) ?? 0, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      // Who says that it will close waits for the client to do so first.
      if (/\r\ncontent-length: (\d+)\r\n/i.exec(received)?.[1] === String(received.split('\r\n\r\n')[1]?.length))
        socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(received));
    socket.write(`GET ${path} HTTP/1.1\r\nHost: sentinel.parity\r\nConnection: close\r\n\r\n`);
  });
}

function recordsOf(file: string): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** Free ports below those that the system gives to clients, so that nobody takes one between two configurations. */
async function freePorts(wanted: readonly number[]): Promise<Map<number, number>> {
  const ports = new Map<number, number>();
  for (const port of wanted) {
    let found: number | undefined;
    while (found === undefined || [...ports.values()].includes(found))
      found = await bindable(10_000 + Math.floor(Math.random() * 21_000));
    ports.set(port, found);
  }
  return ports;
}

function bindable(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound));
    });
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

/** Between two looks at another program, which has no event to wait for. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, POLL_MS));
}
