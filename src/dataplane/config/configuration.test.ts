import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { pino } from 'pino';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { DecodedResource } from '../../xds/client.ts';
import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ConfigSourceSchema } from '../../xds/gen/envoy/config/core/v3/config_source_pb.js';
import { ClusterLoadAssignmentSchema } from '../../xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { type VirtualHost, VirtualHostSchema } from '../../xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { UpstreamTlsContextSchema } from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import { shortTypeName, TypeUrl } from '../../xds/resources.ts';
import type { ResourceMessage } from '../../xds/schemas.ts';
import {
  caSecret,
  chain,
  cluster,
  endpoints,
  httpFilter,
  listener,
  routes,
  routesWithVhds,
  testLog,
  virtualHosts,
} from '../test-support.ts';
import type { WorkerPort } from '../worker/worker-port.ts';
import { Configuration, type ConfigurationOptions } from './configuration.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A configuration whose workers write down what they are told, and refuse what is named `bad`. */
function configuration(options: Partial<ConfigurationOptions> = {}) {
  const told: string[] = [];
  const wanted = new Map<TypeUrl, string[]>();
  const wantedElsewhere = new Map<string, string[]>();
  const workers = {
    async apply(typeUrl: TypeUrl, changed: readonly { name: string }[], removed: readonly string[]) {
      for (const { name } of changed) told.push(`${shortTypeName(typeUrl)} ${name}`);
      for (const name of removed) told.push(`${shortTypeName(typeUrl)} -${name}`);
      const refused = changed.filter(({ name }) => name.endsWith('bad'));
      return { refused: refused.map(({ name }) => ({ name, message: `${name} is bad` })), skipped: [] };
    },
    async activate(_typeUrl: TypeUrl, names: readonly string[]) {
      for (const name of names) told.push(`activate ${name}`);
    },
  } as unknown as WorkerPort;
  const made = new Configuration({
    workers,
    subscribe: (typeUrl, names, source) => {
      if (source === 'ads') wanted.set(typeUrl, [...names]);
      else wantedElsewhere.set(source, [...names]);
    },
    keepUnusedMs: 60_000,
    // Nothing in here may come from waiting.
    warmingMs: 60_000,
    now: () => 0,
    log: testLog,
    ...options,
  });
  closers.push(() => made.close());
  return { made, told, wanted, wantedElsewhere };
}

function decoded<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>, version = '1'): DecodedResource {
  expect(toBinary(schema, message).length).toBeGreaterThan(0);
  const resource = message as unknown as ResourceMessage & { name: string };
  return { name: resource.name, message: resource, any: anyPack(schema, message), version };
}

const web = decoded(ListenerSchema, listener(8080, [chain(httpFilter('http.8080'))]));
const webRoutes = decoded(RouteConfigurationSchema, routes('http.8080', 'a'));
const a = decoded(ClusterSchema, cluster('a'));
const b = decoded(ClusterSchema, cluster('b'));

describe('a configuration that is told of changes and removals', () => {
  test('what is not mentioned stays, what is removed goes', async () => {
    const { made, told } = configuration();
    await made.apply(TypeUrl.Cluster, [a, b], 'v1', []);
    told.length = 0;
    await made.apply(TypeUrl.Cluster, [], 'v2', ['a', 'never-there']);
    expect(told).toEqual(['CDS -a']);
    expect(made.state.names(TypeUrl.Cluster)).toEqual(['b']);
  });

  test('a resource shows its own version', async () => {
    const { made } = configuration();
    await made.apply(
      TypeUrl.Cluster,
      [
        { ...a, version: 'of a' },
        { ...b, version: 'of b' },
      ],
      'of all',
    );
    expect(made.state.dump(TypeUrl.Cluster).map(({ versionInfo }) => versionInfo)).toEqual(['of a', 'of b']);
  });

  test('what was refused can be removed', async () => {
    const { made } = configuration();
    const bad = decoded(ClusterSchema, cluster('bad'));
    await expect(made.apply(TypeUrl.Cluster, [bad], 'v1')).rejects.toThrow('bad is bad');
    await made.apply(TypeUrl.Cluster, [], 'v2', ['bad']);
    expect(made.state.allNames(TypeUrl.Cluster)).toEqual([]);
  });

  test('a listener does not wait for routes that do not exist, and takes them when they come', async () => {
    const { made, told, wanted } = configuration();
    await made.apply(TypeUrl.Listener, [web], 'v1');
    expect(wanted.get(TypeUrl.RouteConfiguration)).toEqual(['http.8080']);
    expect(told).toEqual([`LDS ${web.name}`]);
    await made.apply(TypeUrl.RouteConfiguration, [], 'v1', ['http.8080']);
    expect(told).toEqual([`LDS ${web.name}`, `activate ${web.name}`]);
    await made.apply(TypeUrl.RouteConfiguration, [webRoutes], 'v2');
    expect(made.state.names(TypeUrl.RouteConfiguration)).toEqual(['http.8080']);
  });

  test('routes that a listener uses stay when they are removed: they go with the listener', async () => {
    const { made, told, wanted } = configuration();
    await made.apply(TypeUrl.Listener, [web], 'v1');
    await made.apply(TypeUrl.RouteConfiguration, [webRoutes], 'v1');
    told.length = 0;
    await made.apply(TypeUrl.RouteConfiguration, [], 'v2', ['http.8080']);
    expect(told).toEqual([]);
    expect(made.state.names(TypeUrl.RouteConfiguration)).toEqual(['http.8080']);
    await made.apply(TypeUrl.Listener, [], 'v2', [web.name]);
    expect(made.state.names(TypeUrl.RouteConfiguration)).toEqual([]);
    expect(wanted.get(TypeUrl.RouteConfiguration)).toEqual([]);
  });
});

describe('virtual hosts that come by themselves', () => {
  const apart = decoded(RouteConfigurationSchema, routesWithVhds('http.8080'));
  const host = (resource: string, toCluster = 'a'): DecodedResource => {
    const message = virtualHosts({ [resource]: toCluster })[resource] as VirtualHost;
    return { name: resource, message, any: anyPack(VirtualHostSchema, message), version: toCluster };
  };
  const started = async (options: Partial<ConfigurationOptions> = {}) => {
    const all = configuration(options);
    await all.made.apply(TypeUrl.Listener, [web], 'v1');
    await all.made.apply(TypeUrl.RouteConfiguration, [apart], 'v1');
    return all;
  };

  test('are asked for once their route configuration is there, and the listener waits for them', async () => {
    const { made, told, wanted } = await started();
    expect(wanted.get(TypeUrl.VirtualHost)).toEqual(['http.8080']);
    expect(told).not.toContain(`activate ${web.name}`);
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/x'), host('http.8080/y')], 'v1');
    // Whatever a worker may have of an earlier time goes with the first of them.
    const first = ['VHDS http.8080/x', 'VHDS http.8080/y', 'VHDS -http.8080/'];
    expect(told.slice(-4)).toEqual([...first, `activate ${web.name}`]);
    told.length = 0;
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/x'), host('http.8080/y', 'b')], 'v2', ['http.8080/x']);
    expect(told).toEqual(['VHDS http.8080/y', 'VHDS -http.8080/x']);
  });

  test('of which there are none hold up nobody', async () => {
    const { made, told } = await started();
    await made.apply(TypeUrl.VirtualHost, [], 'v1', ['http.8080']);
    expect(told.slice(-2)).toEqual(['VHDS -http.8080/', `activate ${web.name}`]);
  });

  test('that are not sent are not waited for longer than others', async () => {
    const { told } = await started({ warmingMs: 1 });
    await vi.waitFor(() => expect(told).toContain('VHDS -http.8080/'));
    expect(told).toContain(`activate ${web.name}`);
  });

  test('of another route configuration are not those that are waited for', async () => {
    const { made, told } = await started();
    await made.apply(TypeUrl.VirtualHost, [host('https.443/x')], 'v1');
    expect(told).not.toContain(`activate ${web.name}`);
  });

  test('are dropped with their route configuration, or when it has its own again, and asked for anew after that', async () => {
    const { made, told, wanted } = await started();
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/x')], 'v1');
    await made.apply(TypeUrl.RouteConfiguration, [{ ...webRoutes, version: '2' }], 'v2');
    expect(wanted.get(TypeUrl.VirtualHost)).toEqual([]);
    expect(made.state.names(TypeUrl.VirtualHost)).toEqual([]);
    await made.apply(TypeUrl.RouteConfiguration, [apart], 'v3');
    expect(wanted.get(TypeUrl.VirtualHost)).toEqual(['http.8080']);
    told.length = 0;
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/y')], 'v3');
    expect(told).toEqual(['VHDS http.8080/y', 'VHDS -http.8080/']);
    await made.apply(TypeUrl.Listener, [], 'v4', [web.name]);
    expect(wanted.get(TypeUrl.VirtualHost)).toEqual([]);
    expect(made.state.names(TypeUrl.VirtualHost)).toEqual([]);
  });

  test('are brought to a new worker after their route configuration and before the listener', async () => {
    const { made } = await started();
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/x')], 'v1');
    const restored: string[] = [];
    await made.restore({
      async activate() {},
      async apply(typeUrl: TypeUrl, changed: readonly { name: string }[], removed: readonly string[]) {
        for (const { name } of changed) restored.push(`${shortTypeName(typeUrl)} ${name}`);
        for (const name of removed) restored.push(`${shortTypeName(typeUrl)} -${name}`);
        return { refused: [], skipped: [] };
      },
    } as unknown as WorkerPort);
    expect(restored).toEqual(['RDS http.8080', 'VHDS http.8080/x', 'VHDS -http.8080/', `LDS ${web.name}`]);
  });

  test('are shown inside their route configuration, by name, under a version of all of them', async () => {
    const { made } = await started();
    const shown = () => {
      const [dumped] = made.state.dump(TypeUrl.RouteConfiguration);
      const message = fromBinary(RouteConfigurationSchema, dumped?.resource?.value ?? new Uint8Array());
      return { names: message.virtualHosts.map(({ name }) => name), vhds: message.vhds !== undefined, dumped };
    };
    expect(shown()).toMatchObject({ names: [], vhds: true });
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/y'), host('http.8080/x')], 'v1');
    const before = shown();
    expect(before).toMatchObject({ names: ['x', 'y'], vhds: true, dumped: { name: 'http.8080', state: 'active' } });
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/y', 'b')], 'v2');
    expect(shown().dumped?.versionInfo).not.toBe(before.dumped?.versionInfo);
    await made.apply(TypeUrl.VirtualHost, [host('http.8080/y')], 'v3');
    expect(shown().dumped?.versionInfo).toBe(before.dumped?.versionInfo);
  });

  test('that were refused are the failure of their route configuration', async () => {
    const { made } = await started();
    const bad = { ...host('http.8080/x'), name: 'http.8080/bad' };
    await expect(made.apply(TypeUrl.VirtualHost, [bad, host('http.8080/y')], 'v1')).rejects.toThrow(
      'http.8080/bad is bad',
    );
    expect(made.state.dump(TypeUrl.RouteConfiguration)).toMatchObject([
      { name: 'http.8080', errorState: { details: 'http.8080/bad is bad' } },
    ]);
    expect(made.state.names(TypeUrl.VirtualHost)).toEqual(['http.8080/y']);
  });
});

/** A source that says how long to wait. */
const ads = (seconds?: number) =>
  ({
    configSourceSpecifier: { case: 'ads', value: {} },
    ...(seconds === undefined ? {} : { initialFetchTimeout: { seconds: BigInt(seconds) } }),
  }) as const;

/** Istio's agent, as a cluster of the bootstrap. */
const agent: MessageInitShape<typeof ConfigSourceSchema> = {
  configSourceSpecifier: {
    case: 'apiConfigSource',
    value: { grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: 'sds-grpc' } } }] },
  },
};

/** TLS to the hosts of a cluster, with a certificate of its own and a CA. */
function upstreamTls(source: MessageInitShape<typeof ConfigSourceSchema>, certificate = 'default', ca = 'ROOTCA') {
  return {
    name: 'envoy.transport_sockets.tls',
    configType: {
      case: 'typedConfig',
      value: anyPack(
        UpstreamTlsContextSchema,
        create(UpstreamTlsContextSchema, {
          commonTlsContext: {
            tlsCertificateSdsSecretConfigs: [{ name: certificate, sdsConfig: source }],
            validationContextType: {
              case: 'combinedValidationContext',
              value: { validationContextSdsSecretConfig: { name: ca, sdsConfig: source } },
            },
          },
        }),
      ),
    },
  } as const;
}

const named = (name: string, ...ports: number[]) => {
  const message = endpoints(name, ...ports);
  return { name, message, any: anyPack(ClusterLoadAssignmentSchema, message), version: '1' };
};
const secret = (name: string) => decoded(SecretSchema, caSecret(name, 'unused: workers check'));

describe('a cluster', () => {
  test('takes over when its endpoints are there, under the name of its EDS service', async () => {
    const { made, told, wanted } = configuration();
    const served = decoded(ClusterSchema, cluster('a', { edsClusterConfig: { edsConfig: ads(), serviceName: 'svc' } }));
    await made.apply(TypeUrl.Cluster, [served], 'v1');
    expect(wanted.get(TypeUrl.ClusterLoadAssignment)).toEqual(['svc']);
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('another', 1)], 'v1');
    expect(told).not.toContain('activate a');
    expect(made.state.dump(TypeUrl.Cluster)).toMatchObject([{ name: 'a', state: 'warming' }]);
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('svc', 1)], 'v1');
    expect(told.at(-1)).toBe('activate a');
    expect(made.state.dump(TypeUrl.Cluster)).toMatchObject([{ name: 'a', state: 'active' }]);
  });

  test('that changes keeps serving, and what it refers to stays subscribed, until the new one has all it needs', async () => {
    const { made, told, wanted } = configuration();
    await made.apply(TypeUrl.Cluster, [a], 'v1');
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('a', 1)], 'v1');
    told.length = 0;
    const next = decoded(
      ClusterSchema,
      cluster('a', { edsClusterConfig: { edsConfig: ads(), serviceName: 'a2' }, transportSocket: upstreamTls(ads()) }),
      '2',
    );
    await made.apply(TypeUrl.Cluster, [next], 'v2');
    expect(wanted.get(TypeUrl.ClusterLoadAssignment)?.toSorted()).toEqual(['a', 'a2']);
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('a2', 2)], 'v2');
    await made.apply(TypeUrl.Secret, [secret('default')], 'v1');
    expect(told).not.toContain('activate a');
    await made.apply(TypeUrl.Secret, [secret('ROOTCA')], 'v1');
    expect(told.at(-1)).toBe('activate a');
    expect(wanted.get(TypeUrl.ClusterLoadAssignment)).toEqual(['a2']);
  });

  test('with endpoints that are known already takes over at once', async () => {
    const { made, told } = configuration();
    await made.apply(TypeUrl.Cluster, [a], 'v1');
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('a', 1)], 'v1');
    told.length = 0;
    await made.apply(TypeUrl.Cluster, [decoded(ClusterSchema, cluster('a', { altStatName: 'x' }), '2')], 'v2');
    expect(told).toEqual(['CDS a', 'activate a']);
  });

  test('does not wait for endpoints that the control plane does not have', async () => {
    const { made, told } = configuration();
    await made.apply(TypeUrl.Cluster, [a], 'v1');
    await made.apply(TypeUrl.ClusterLoadAssignment, [], 'v1', ['a']);
    expect(told).toEqual(['CDS a', 'activate a']);
  });

  test('shares endpoints with another of the same EDS service: asked for once, both take over', async () => {
    const { made, told, wanted } = configuration();
    const sharing = (name: string) =>
      decoded(ClusterSchema, cluster(name, { edsClusterConfig: { edsConfig: ads(), serviceName: 'svc' } }));
    await made.apply(TypeUrl.Cluster, [sharing('a'), sharing('b')], 'v1');
    expect(wanted.get(TypeUrl.ClusterLoadAssignment)).toEqual(['svc']);
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('svc', 1)], 'v1');
    expect(told.slice(-2)).toEqual(['activate a', 'activate b']);
  });

  test('that goes while it warms is forgotten', async () => {
    const { made, told } = configuration();
    await made.apply(TypeUrl.Cluster, [a], 'v1');
    await made.apply(TypeUrl.Cluster, [], 'v2', ['a']);
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('a', 1)], 'v1');
    expect(told).not.toContain('activate a');
  });
});

describe('initial_fetch_timeout', () => {
  const timeouts = async (edsConfig: MessageInitShape<typeof ConfigSourceSchema>, waitMs: number) => {
    vi.useFakeTimers();
    closers.push(() => vi.useRealTimers());
    const { made, told } = configuration({ warmingMs: 1000 });
    await made.apply(
      TypeUrl.Cluster,
      [decoded(ClusterSchema, cluster('a', { edsClusterConfig: { edsConfig } }))],
      'v1',
    );
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    const before = told.includes('activate a');
    await vi.advanceTimersByTimeAsync(1);
    return { before, after: told.includes('activate a') };
  };

  test('is how long a resource is waited for', async () => {
    expect(await timeouts(ads(7), 7000)).toEqual({ before: false, after: true });
  });

  test('of 0 means as long as it takes', async () => {
    expect(await timeouts(ads(0), 3_600_000)).toEqual({ before: false, after: false });
  });

  test('that is not set is one second', async () => {
    expect(await timeouts(ads(), 1000)).toEqual({ before: false, after: true });
  });
});

describe('a secret', () => {
  const withTls = (certificate: string, ca: string) =>
    decoded(ClusterSchema, cluster('a', { transportSocket: upstreamTls(agent, certificate, ca) }));

  test('is asked of the server that its api_config_source names', async () => {
    const { made, told, wanted, wantedElsewhere } = configuration({ secretSources: new Set(['sds-grpc']) });
    await made.apply(TypeUrl.Cluster, [withTls('default', 'ROOTCA')], 'v1');
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('a', 1)], 'v1');
    expect(wantedElsewhere.get('sds-grpc')).toEqual(['default', 'ROOTCA']);
    expect(wanted.get(TypeUrl.Secret)).toEqual([]);
    expect(told).not.toContain('activate a');
    await made.apply(TypeUrl.Secret, [secret('default'), secret('ROOTCA')], '');
    expect(told.at(-1)).toBe('activate a');
    await made.apply(TypeUrl.Cluster, [], 'v2', ['a']);
    expect(wantedElsewhere.get('sds-grpc')).toEqual([]);
  });

  test('of kubernetes:// is asked of the control plane itself, whatever its source', async () => {
    const { made, wanted } = configuration();
    await made.apply(TypeUrl.Cluster, [withTls('kubernetes://cert', 'kubernetes://cert-cacert')], 'v1');
    expect(wanted.get(TypeUrl.Secret)).toEqual(['kubernetes://cert', 'kubernetes://cert-cacert']);
  });

  test('that nobody can be asked for is not waited for, and said once', async () => {
    const warnings: unknown[] = [];
    const log = pino({ level: 'warn' }, { write: (line) => warnings.push(JSON.parse(line)) });
    const { made, told, wanted } = configuration({ log });
    await made.apply(TypeUrl.Cluster, [withTls('default', 'ROOTCA')], 'v1');
    await made.apply(TypeUrl.ClusterLoadAssignment, [named('a', 1)], 'v1');
    expect(told.at(-1)).toBe('activate a');
    expect(wanted.get(TypeUrl.Secret)).toEqual([]);
    expect(warnings).toMatchObject([{ cluster: 'sds-grpc', secret: 'default' }]);
  });
});
