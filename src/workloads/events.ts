// Events: what happened to an object, as `kubectl describe` and `kubectl get events` show it. The same thing again raises a count.
// https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/

import { createHash } from 'node:crypto';
import { keyOf, type ResourceObject } from '../resources/object.ts';
import { timestamp } from '../resources/timestamp.ts';
import type { Store } from '../store/store.ts';

/** Who tells: the `source.component` of the Event, named as Kubernetes' own components are. */
export type EventSource =
  | 'kubelet'
  | 'default-scheduler'
  | 'taint-eviction-controller'
  | 'deployment-controller'
  | 'replicaset-controller';

/** Something that happened. */
export interface Happening {
  about: ResourceObject;
  /** The container it is about: `spec.containers{catalog}`. */
  container?: string;
  source: EventSource;
  type: 'Normal' | 'Warning';
  /** In one word: `Scheduled`. */
  reason: string;
  message: string;
}

/** An Event object. */
interface EventObject extends ResourceObject {
  involvedObject: Record<string, string>;
  reason: string;
  message: string;
  source: { component: string; host?: string };
  firstTimestamp: string;
  lastTimestamp: string;
  count: number;
  type: string;
  eventTime: null;
  reportingComponent: string;
  reportingInstance: string;
}

/** As long as Kubernetes' API server keeps Events (--event-ttl). */
const KEPT_MS = 60 * 60 * 1000;
const SWEEP_MS = 5 * 60 * 1000;
const EVENT = 'Event';

/** Writes Events. */
export interface EventRecorder {
  record(happening: Happening): void;
  /** Resolves when what was recorded is in the store. */
  written(): Promise<void>;
  close(): void;
}

/**
 * Writes Events into the store, and takes old ones out.
 *
 * @param onError told when Events cannot be written: they are lost then, and nothing else is
 */
export function recordEvents(
  store: Store,
  { nodeName, clock, onError }: { nodeName: string; clock: () => number; onError: (error: unknown) => void },
): EventRecorder {
  let waiting: Happening[] = [];
  const nameOf = eventNames(clock);
  let writing: Promise<void> | undefined;
  const sweep = setInterval(() => {
    const before = timestamp(clock() - KEPT_MS);
    const old = store.snapshot.listOf(EVENT).filter((object) => (object as EventObject).lastTimestamp < before);
    if (old.length > 0)
      store
        .transact((writer) => {
          for (const object of old) writer.delete(keyOf(object));
        })
        .catch(onError);
  }, SWEEP_MS);
  sweep.unref();

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const now = waiting;
      waiting = [];
      await store
        .transact((writer) => {
          for (const happening of now) {
            const object = eventOf(happening, nameOf(happening), nodeName, clock());
            const known = writer.get(keyOf(object)) as EventObject | undefined;
            writer.put(
              known === undefined
                ? object
                : ({ ...known, count: known.count + 1, lastTimestamp: object.lastTimestamp } as EventObject),
            );
          }
        })
        .catch(onError);
    }
    writing = undefined;
  }

  return {
    record(happening) {
      waiting.push(happening);
      writing ??= write();
    },
    async written() {
      while (writing !== undefined) await writing;
    },
    close: () => clearInterval(sweep),
  };
}

/** So many things that happened are known when they happen again. */
const KNOWN = 4096;

/**
 * Names of Events: the same for the same thing, and in the order in which things happened first. kubectl shows those of one second in the order of
 * their names, which is why Kubernetes makes them of the time.
 */
function eventNames(clock: () => number): (happening: Happening) => string {
  const names = new Map<string, string>();
  let last = 0n;
  return ({ about, container = '', source, type, reason, message }) => {
    const { name, uid = '' } = about.metadata;
    const id = createHash('sha256')
      .update(JSON.stringify([uid, container, source, type, reason, message]))
      .digest('base64');
    const nanoseconds = BigInt(clock()) * 1_000_000n;
    last = nanoseconds > last ? nanoseconds : last + 1n;
    const known = names.get(id) ?? `${name}.${last.toString(16)}`;
    names.delete(id); // the longest unheard of goes first
    names.set(id, known);
    if (names.size > KNOWN) names.delete(names.keys().next().value!);
    return known;
  };
}

function eventOf(
  { about, container, source, type, reason, message }: Happening,
  eventName: string,
  nodeName: string,
  now: number,
): EventObject {
  const { name, namespace = 'default', uid = '' } = about.metadata;
  const fieldPath = container === undefined ? '' : `spec.containers{${container}}`;
  const time = timestamp(now);
  return {
    apiVersion: 'v1',
    kind: EVENT,
    metadata: { name: eventName, namespace },
    involvedObject: {
      apiVersion: about.apiVersion,
      kind: about.kind,
      name,
      namespace,
      uid,
      ...(fieldPath === '' ? {} : { fieldPath }),
    },
    reason,
    message,
    source: { component: source, ...(source === 'kubelet' ? { host: nodeName } : {}) },
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
    type,
    eventTime: null,
    reportingComponent: source,
    reportingInstance: source === 'kubelet' ? nodeName : '',
  };
}
