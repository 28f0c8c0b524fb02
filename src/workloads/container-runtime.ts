// What runs containers: the node asks the first runtime that can run an image to start it, and keeps what it started.
// https://kubernetes.io/docs/concepts/architecture/cri/ is the seam this stands for.

import type { Writable } from 'node:stream';
import type { RunningCommand } from '../resources/pod-access.ts';
import type { Pod } from '../resources/types.ts';

/** A container of a pod's spec. */
export type Container = NonNullable<Pod['spec']>['containers'][number];

/** A container that is to run. */
export interface ContainerToRun {
  /** The pod it belongs to, as it was when the container started. Its status may lack what the node has yet to write. */
  readonly pod: Pod;
  /** As the pod's spec has it. */
  readonly spec: Container;
  /** `spec.image`, '' where the spec has none. */
  readonly image: string;
  /** The pod's address. */
  readonly ip: string;
  /** `spec.env` and `spec.envFrom`, references resolved, and what leads calls through the pod's proxy. Nothing of Limen's own environment. */
  readonly env: Readonly<Record<string, string>>;
  /** `spec.command` and `spec.args` with `$(NAME)` filled in. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  /** How often it was started before in this pod. */
  readonly restartCount: number;
  /** Takes what it writes to stdout or stderr: `kubectl logs` shows it. */
  readonly write: (chunk: Buffer | string, stream: 'stdout' | 'stderr') => void;
}

/** Where a container listens: container port → port of the pod's address. They differ where another process holds the number. */
export type BoundPorts = ReadonlyMap<number, number>;

/** A container that was started. */
export interface RunningContainer {
  /** Of the process that leads it, where it is one of this machine: `ps` shows it and what it started. */
  readonly pid: number | undefined;
  /** How it ended: its exit code, 128 + the signal's number where one ended it. Does not reject. */
  readonly exit: Promise<number>;
  /**
   * Resolves when it takes traffic, with where it listens; rejects with an Error for the user where it cannot. Absent where the runtime
   * cannot tell: the node then tries to connect to the ports that the spec declares. A readiness probe comes after it.
   */
  readonly listening?: Promise<BoundPorts>;
  /** Ends it: politely, and by force after `graceMs` (0: at once). Resolves when it is gone with all it started. */
  stop(graceMs: number): Promise<void>;
  /**
   * Runs a command beside it; rejects with an Error for the user where there is no such program. Without it, the node starts the command as
   * a process of this machine with the container's environment.
   */
  exec?(command: readonly string[], terminal: boolean): Promise<RunningCommand>;
  /** Its input, where it has one (`stdin: true` in its spec). */
  readonly stdin?: Writable;
}

/** Runs containers of some images. */
export interface ContainerRuntime {
  /** What `containerID`s of it begin with (`limen`, `process`, `docker`). */
  readonly name: string;
  /** Its containers have a network of their own: addresses of pods, which are this machine's, are out of their reach. */
  readonly isolated?: boolean;
  /** Whether it runs this image. The first runtime that does gets it. A promise where somebody else has to be asked. */
  canRun(image: string): boolean | Promise<boolean>;
  /**
   * Starts a container; resolves when its process exists, which may be long before it listens.
   *
   * @throws ImageError (rejects) where the image cannot be had, any other Error where the container cannot be created
   */
  start(container: ContainerToRun): Promise<RunningContainer>;
}

/** An image cannot be had: the container waits as `ErrImagePull`, then `ImagePullBackOff`, with this message. */
export class ImageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ImageError';
  }
}
