// What a sample's process and its supervisor tell each other over IPC.

/** What a sample is to be: sent once, first. */
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

/** Supervisor → sample. */
export type ToSample = { type: 'task'; task: SampleTask } | { type: 'endpoints'; id: number; endpoints: string[] };

/** Sample → supervisor. */
export type FromSample =
  /** [container port, port that is listened on] each. */
  | { type: 'listening'; ports: [number, number][] }
  | { type: 'failed'; message: string }
  /** Asks for the ready endpoints of a service. */
  | { type: 'resolve'; id: number; host: string; port: number };
