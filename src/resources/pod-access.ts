// What can be asked of running pods: their logs, commands in their containers, connections to their ports. The API server asks, the node answers.

import type { Duplex, Readable, Writable } from 'node:stream';

/** Which container of which pod. Without a name, the pod's only or default one. */
export interface ContainerReference {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
}

/** Which lines somebody wants (Kubernetes PodLogOptions). */
export interface LogOptions {
  /** Goes on as long as the container runs. */
  readonly follow: boolean;
  /** Of the container's run before this one. */
  readonly previous: boolean;
  /** Each line begins with its time, RFC 3339. */
  readonly timestamps: boolean;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  /** Lines since this moment, milliseconds since the epoch. */
  readonly since?: number;
}

/** A command that runs in a container. */
export interface RunningCommand {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  /** None with a terminal: all output is `stdout`. */
  readonly stderr?: Readable;
  /** Of a terminal. */
  resize?(columns: number, rows: number): void;
  /** Its exit code, 128 + the signal's number where one ended it. */
  readonly exit: Promise<number>;
  kill(): void;
}

/** Access to running pods. Each rejects with a {@link PodAccessError} that the client is shown. */
export interface PodAccess {
  logs(container: ContainerReference, options: LogOptions): Promise<Readable>;
  exec(container: ContainerReference, command: readonly string[], terminal: boolean): Promise<RunningCommand>;
  /** What a container writes from now on, and its input where it has one. */
  attach(container: ContainerReference, terminal: boolean): Promise<RunningCommand>;
  /** A connection to a port of the pod. */
  connect(pod: { namespace: string; pod: string }, port: number): Promise<Duplex>;
}

/** Status codes of the reasons for which something can't be done with a pod. */
const CODES = { BadRequest: 400, NotFound: 404, InternalError: 500 } as const;

/** Why something can't be done with a pod, in the words of the kubelet and the API server. */
export class PodAccessError extends Error {
  /** A reason of Kubernetes' Status. */
  readonly reason: keyof typeof CODES;

  constructor(reason: keyof typeof CODES, message: string) {
    super(message);
    this.name = 'PodAccessError';
    this.reason = reason;
  }

  /** The status code of its reason. */
  get code(): number {
    return CODES[this.reason];
  }
}
