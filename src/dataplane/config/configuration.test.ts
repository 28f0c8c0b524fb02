import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, test } from 'vitest';
import type { DecodedResource } from '../../xds/client.ts';
import { ClusterSchema } from '../../xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '../../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { shortTypeName, TypeUrl } from '../../xds/resources.ts';
import type { ResourceMessage } from '../../xds/schemas.ts';
import { chain, cluster, httpFilter, listener, routes, testLog } from '../test-support.ts';
import type { WorkerPort } from '../worker/worker-port.ts';
import { Configuration } from './configuration.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A configuration whose workers write down what they are told, and refuse what is named `bad`. */
function configuration() {
  const told: string[] = [];
  const wanted = new Map<TypeUrl, string[]>();
  const workers = {
    async apply(typeUrl: TypeUrl, changed: readonly { name: string }[], removed: readonly string[]) {
      for (const { name } of changed) told.push(`${shortTypeName(typeUrl)} ${name}`);
      for (const name of removed) told.push(`${shortTypeName(typeUrl)} -${name}`);
      return changed.filter(({ name }) => name === 'bad').map(({ name }) => ({ name, message: `${name} is bad` }));
    },
    async activate(names: readonly string[]) {
      for (const name of names) told.push(`activate ${name}`);
    },
  } as unknown as WorkerPort;
  const made = new Configuration({
    workers,
    subscribe: (typeUrl, names) => wanted.set(typeUrl, [...names]),
    keepUnusedMs: 60_000,
    // Nothing in here may come from waiting.
    warmingMs: 60_000,
    now: () => 0,
    log: testLog,
  });
  closers.push(() => made.close());
  return { made, told, wanted };
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
