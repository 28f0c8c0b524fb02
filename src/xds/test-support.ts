// For tests of the protocol: resources in few words, and an ADS server whose configuration the test replaces.

import { create } from '@bufbuild/protobuf';
import pino from 'pino';
import { afterEach } from 'vitest';
import { ClusterSchema } from './gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from './gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from './gen/envoy/config/listener/v3/listener_pb.js';
import { VirtualHostSchema } from './gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from './gen/envoy/config/route/v3/route_pb.js';
import { SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import { type EncodedResource, encodeResource, type ResourceSet, TypeUrl } from './resources.ts';
import { AdsServer, type AdsServerOptions } from './server.ts';

/** What is to be undone after the test, the last first. */
export const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

// `content` makes two versions of a name differ.

export const cluster = (name: string, content = '') =>
  encodeResource(name, ClusterSchema, create(ClusterSchema, { name, altStatName: content }));

export const endpoints = (name: string, content = '') =>
  encodeResource(
    name,
    ClusterLoadAssignmentSchema,
    create(ClusterLoadAssignmentSchema, { clusterName: name, endpoints: [{ locality: { zone: content } }] }),
  );

export const listener = (name: string, content = '') =>
  encodeResource(name, ListenerSchema, create(ListenerSchema, { name, statPrefix: content }));

export const route = (name: string, content = '') =>
  encodeResource(
    name,
    RouteConfigurationSchema,
    create(RouteConfigurationSchema, { name, virtualHosts: [{ name: content, domains: ['*'] }] }),
  );

/** `name` is that of the resource: `<route configuration>/<virtual host>`. */
export const virtualHost = (name: string, content = '') =>
  encodeResource(
    name,
    VirtualHostSchema,
    create(VirtualHostSchema, { name: name.slice(name.lastIndexOf('/') + 1), domains: [content] }),
  );

/** One whose virtual hosts come by themselves. */
export const routeWithVhds = (name: string) =>
  encodeResource(name, RouteConfigurationSchema, create(RouteConfigurationSchema, { name, vhds: {} }));

export const secret = (name: string) => encodeResource(name, SecretSchema, create(SecretSchema, { name }));

/** `setOf({ Cluster: [cluster('a')] })` */
export function setOf(types: Partial<Record<keyof typeof TypeUrl, readonly EncodedResource[]>>): ResourceSet {
  return new Map(
    Object.entries(types).map(([type, list]) => [
      TypeUrl[type as keyof typeof TypeUrl],
      new Map(list.map((resource) => [resource.name, resource])),
    ]),
  );
}

/** A server under test. */
export interface Served {
  server: AdsServer;
  port: number;
  /** Replaces the configuration and pushes it. */
  push: (next: ResourceSet) => void;
  /** What it logged, from debug up. */
  lines: Record<string, unknown>[];
}

/**
 * Serves on a free port until the test ends.
 * @param options `port`: that one instead, for a server that takes another's place
 */
export async function serve(
  initial: ResourceSet,
  { port = 0, ...options }: Partial<AdsServerOptions> & { port?: number } = {},
): Promise<Served> {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  let resources = initial;
  const server = new AdsServer({ resourcesFor: () => resources, log, ...options });
  closers.push(() => server.close());
  const push = (next: ResourceSet) => {
    resources = next;
    server.push();
  };
  return { server, port: await server.listen(`127.0.0.1:${port}`), push, lines };
}

/** Resolves once what the server has connected is as wanted. */
export async function serverSees(
  server: AdsServer,
  wanted: (clients: ReturnType<AdsServer['clients']>) => boolean,
): Promise<void> {
  while (!wanted(server.clients())) await new Promise((resolve) => setImmediate(resolve));
}
