// The control plane at work: each change of the store becomes a new push context, and what changed by it goes to the proxies.

import type { Logger } from 'pino';
import type { BindPublish } from '../../controlplane/bind.ts';
import { translateGrpc } from '../../controlplane/grpc/translate-grpc.ts';
import { type ProxyNode, parseNode } from '../../controlplane/node.ts';
import { classOf } from '../../controlplane/proxy-class.ts';
import { createPushContext, type PushContext } from '../../controlplane/push-context.ts';
import { type Translation, translate } from '../../controlplane/translate.ts';
import type { Store } from '../../store/store.ts';
import type { Node } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { nodeName } from '../../xds/node-name.ts';
import { type NodeResources, TypeUrl } from '../../xds/resources.ts';
import { AdsServer } from '../../xds/server.ts';
import type { Report } from './report.ts';

/** So many unknown targets of one client are told at a time. */
const MAX_TOLD = 10;
/** After so many classes of proxies that are gone, what was built for them is forgotten, also where the configuration does not change. */
const MAX_GONE = 16;

/** A running control plane. */
export interface ControlPlane {
  readonly server: AdsServer;
  /** The ports of the listeners that a connected proxy was last sent. */
  listenerPorts(nodeId: string): number[];
  /**
   * Says which ports of this machine are published for an Envoy that runs here in place of a pod: it is sent listeners for them. To be called before it
   * connects, and when they change; undefined when it is gone.
   */
  publish(nodeId: string, ports: readonly BindPublish[] | undefined): void;
  close(): Promise<void>;
}

/**
 * Translates the store for whoever connects.
 * @param report told what could not be served of it, by proxy
 */
export function startControlPlane(
  store: Store,
  log: Logger,
  report: Pick<Report, 'translated' | 'gone'>,
): ControlPlane {
  let context: PushContext = createPushContext(store.snapshot);
  /** The proxies that are connected: their class, and what they were last given. */
  const connected = new Map<Node, { readonly classId: string; readonly given: Translation }>();
  /** What each class of proxies gets in the current context. */
  let translations = new Map<string, Translation>();
  /** Classes (and gRPC clients) that went since the context was made: its memo still has what was built for them. */
  let gone = 0;

  const server = new AdsServer({
    log,
    resourcesFor(node) {
      const proxy = classOf(context, withPublished(parseNode(node)));
      if (proxy.generator === 'grpc') return forGrpc(node, proxy);
      let translation = translations.get(proxy.id);
      if (translation === undefined) {
        translation = translate(context, proxy);
        translations.set(proxy.id, translation);
      }
      report.translated(node, translation.notices);
      connected.set(node, { classId: proxy.id, given: translation });
      return translation.resources;
    },
    onDisconnected(node) {
      report.gone(node);
      const classId = connected.get(node)?.classId;
      connected.delete(node);
      if (classId !== undefined) {
        if ([...connected.values()].some((other) => other.classId === classId)) return;
        translations.delete(classId);
      }
      gone += 1; // a gRPC client, too: what was built is of the names it said
      if (gone >= MAX_GONE) schedule();
    },
  });

  /** By node id. */
  const published = new Map<string, readonly BindPublish[]>();
  function withPublished(node: ProxyNode): ProxyNode {
    const publish = published.get(node.id);
    return node.bind === undefined || publish === undefined ? node : { ...node, bind: { ...node.bind, publish } };
  }

  /** The targets of each gRPC client that lead nowhere, as last told. */
  const unknownTargets = new WeakMap<Node, ReadonlySet<string>>();
  function forGrpc(node: Node, proxy: ProxyNode): NodeResources {
    const current = context;
    return (subscribed) => {
      const { resources, notices, unknown } = translateGrpc(current, proxy, subscribed);
      report.translated(node, notices);
      const told = unknownTargets.get(node);
      for (const { target, reason } of unknown.filter((each) => !told?.has(each.target)).slice(0, MAX_TOLD))
        log.warn({ node: nodeName(node.id) }, `gRPC target xds:///${target}: ${reason}; calls to it fail`);
      unknownTargets.set(node, new Set(unknown.map(({ target }) => target)));
      return resources;
    };
  }

  // Changes of one turn of the event loop (a folder being loaded) are one push.
  let scheduled: NodeJS.Immediate | undefined;
  function schedule(): void {
    scheduled ??= setImmediate(() => {
      scheduled = undefined;
      context = createPushContext(store.snapshot, context);
      translations = new Map();
      gone = 0;
      server.push();
    });
  }
  const unsubscribe = store.subscribe(schedule);

  return {
    server,
    listenerPorts(nodeId) {
      const given = [...connected].findLast(([{ id }]) => id === nodeId)?.[1].given;
      const names = given?.resources.get(TypeUrl.Listener)?.keys() ?? [];
      return [...new Set(Array.from(names, (name) => Number(name.slice(name.lastIndexOf('_') + 1))))];
    },
    publish(nodeId, ports) {
      if (ports === undefined) published.delete(nodeId);
      else published.set(nodeId, ports);
      schedule();
    },
    async close() {
      unsubscribe();
      clearImmediate(scheduled);
      await server.close();
    },
  };
}
