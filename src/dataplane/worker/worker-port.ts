// What the primary asks of a worker, in its own process or in another: all arguments and results are plain data.

import type { TypeUrl } from '../../xds/resources.ts';
import type { ResourceMessage } from '../../xds/schemas.ts';
import type { ClusterView } from '../admin/view.ts';
import type { Publish } from '../config/bind-rules.ts';
import type { StatsSnapshot } from '../stats/snapshot.ts';

/** A resource that is new or has new content. */
export interface ResourceChange {
  readonly name: string;
  /** The encoded message. */
  readonly value: Uint8Array;
  /** The message, where it is at hand; does not cross processes. */
  readonly message?: ResourceMessage;
}

/** A resource that can't be served. What was under that name before stays. */
export interface Refusal {
  readonly name: string;
  readonly message: string;
}

/** What is left out of a resource, since what is served does not depend on it. */
export interface Skip {
  readonly name: string;
  /** The kind and name of the thing left out. */
  readonly what: string;
  readonly why: string;
}

/** What came of resources. */
export interface Applied {
  /** The others are taken. */
  readonly refused: readonly Refusal[];
  readonly skipped: readonly Skip[];
}

/** One worker, or all of them. */
export interface WorkerPort {
  /**
   * Makes these the published ports, from the first call on; a port that stays keeps its socket and its connections.
   * @returns them with the numbers that were chosen for 0; rejects with a ConfigError when one can't be bound, though the others are
   */
  publish(publish: readonly Publish[]): Promise<Publish[]>;
  /**
   * Takes resources of one type. A listener or cluster is checked and prepared (a port bound), but serves only once it is activated.
   * @param removed of virtual hosts, `<route configuration>/` stands for all that it had before
   */
  apply(typeUrl: TypeUrl, changed: readonly ResourceChange[], removed: readonly string[]): Promise<Applied>;
  /** Lets the newest version of these listeners or clusters take over. */
  activate(typeUrl: TypeUrl, names: readonly string[]): Promise<void>;
  stats(): Promise<StatsSnapshot>;
  clusters(): Promise<readonly ClusterView[]>;
  /** A level of pino. */
  setLogLevel(level: string): Promise<void>;
  /** Opens access log files anew. */
  reopenLogs(): Promise<void>;
  /** Stops accepting; resolves when the last connection is gone, `ms` later at the latest. */
  drain(ms: number): Promise<void>;
  /** Ends it now. */
  close(): Promise<void>;
}

/** The methods of a worker that can be called across processes. */
export const WORKER_METHODS = [
  'publish',
  'apply',
  'activate',
  'stats',
  'clusters',
  'setLogLevel',
  'reopenLogs',
  'drain',
  'close',
] as const satisfies readonly (keyof WorkerPort)[];
export type WorkerMethod = (typeof WORKER_METHODS)[number];
