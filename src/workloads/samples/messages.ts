// What a sample's process and its supervisor tell each other over IPC.

/** What a sample is to be: the supervisor sends it, once. */
export interface SampleTask {
  image: string;
  ip: string;
  /** Container ports to serve; empty: the image's own. */
  ports: number[];
  podName: string;
  namespace: string;
  serviceAccount: string;
  nodeName: string;
  env: Record<string, string>;
  args: string[];
}

/** Sample → supervisor. */
export type FromSample =
  /** [container port, port that is listened on] each. */
  { type: 'listening'; ports: [number, number][] } | { type: 'failed'; message: string };
