// What a data plane tells the supervisor that started it, over IPC.

/** What a data plane reports once it serves. */
export interface DataPlaneReady {
  /** `host:port` of its admin interface. */
  admin: string;
  published: { host: string; port: number; listenerPort: number }[];
}

/** A message of a data plane. */
export type DataPlaneMessage = ({ type: 'ready' } & DataPlaneReady) | { type: 'fatal'; message: string };
