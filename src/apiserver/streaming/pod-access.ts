// What the API server asks of whoever runs the pods: their logs, commands in their containers, connections to their ports.

import type { Duplex, Readable, Writable } from 'node:stream';

/** Which container of which pod. Without a name, the pod's only or default one. */
export interface ContainerReference {
  namespace: string;
  pod: string;
  container?: string;
}

/** A running command. */
export interface RunningCommand {
  stdin?: Writable;
  stdout: Readable;
  /** None with a terminal: all output is `stdout`. */
  stderr?: Readable;
  /** Of a terminal. */
  resize?(columns: number, rows: number): void;
  /** How it ended: its exit code (128 + the signal's number where one ended it). */
  exit: Promise<number>;
  kill(): void;
}

export interface LogOptions {
  /** Goes on as long as the container runs. */
  follow: boolean;
  /** Of the container's run before this one. */
  previous: boolean;
  timestamps: boolean;
  tailLines?: number;
  limitBytes?: number;
  /** Lines since this moment, milliseconds since the epoch. */
  since?: number;
}

/** Access to running pods. Each rejects with a `PodAccessError` that the client is shown. */
export interface PodAccess {
  logs(container: ContainerReference, options: LogOptions): Promise<Readable>;
  exec(container: ContainerReference, command: readonly string[], terminal: boolean): Promise<RunningCommand>;
  attach(container: ContainerReference, terminal: boolean): Promise<RunningCommand>;
  /** A connection to a port of the pod. */
  connect(pod: { namespace: string; pod: string }, port: number): Promise<Duplex>;
}

/** Why something can't be done with a pod. */
export class PodAccessError extends Error {
  readonly reason: 'BadRequest' | 'InternalError' | 'NotFound';

  constructor(reason: PodAccessError['reason'], message: string) {
    super(message);
    this.name = 'PodAccessError';
    this.reason = reason;
  }
}
