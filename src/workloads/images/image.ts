// What a built-in sample image is: the names it answers to and the server it starts.

import type { Server } from 'node:net';

/** Who a container is and what it may ask for. */
export interface ContainerContext {
  /** The repository of the image without registry and tag: `istioinaction/catalog`. */
  repository: string;
  /** The pod's address. */
  ip: string;
  port: number;
  podName: string;
  namespace: string;
  serviceAccount: string;
  nodeName: string;
  /** The container's environment, references resolved. */
  env: Readonly<Record<string, string>>;
  /** The container's `args`. */
  args: readonly string[];
  /** Writes a line to the container's log. */
  log: (line: string) => void;
}

/** A sample image. */
export interface SampleImage {
  /** Repositories without registry and tag; all of them start this server. */
  names: readonly string[];
  /** The port it serves when the Deployment names no containerPort. */
  defaultPort: (env: Readonly<Record<string, string>>) => number;
  /** A path worth trying with curl, where it speaks HTTP. */
  samplePath?: string;
  /** Makes the server, not yet listening. One is made for each port of each pod. */
  createServer: (context: ContainerContext) => Server;
}
