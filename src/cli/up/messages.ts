// What crosses between a data plane and the supervisor that started it, over IPC. The first message to a data plane is its flags; what follows is here.

import type { Publish } from '../../dataplane/config/bind-rules.ts';

/** What a data plane reports once it serves. */
export interface DataPlaneReady {
  /** `host:port` of its admin interface. */
  admin: string;
  published: { host: string; port: number; listenerPort: number }[];
}

/** A message of a data plane. */
export type DataPlaneMessage =
  | ({ type: 'ready' } & DataPlaneReady)
  | { type: 'fatal'; message: string }
  /** The answer to `publish`, in their order. */
  | { type: 'published' };

/** A message to a data plane that serves: these are its published ports from now on. */
export interface PublishMessage {
  readonly type: 'publish';
  readonly publish: readonly Publish[];
}

/**
 * Answers the supervisor's `publish` messages.
 * @param publish resolves when the ports are as wanted, and does not reject
 * @returns ends it
 */
export function followPublish(
  process: Pick<NodeJS.Process, 'on' | 'off'>,
  publish: (ports: readonly Publish[]) => Promise<void>,
  report: (message: DataPlaneMessage) => void,
): () => void {
  const onMessage = (message: unknown) => {
    const { type, publish: ports } = message as Partial<PublishMessage>;
    if (type === 'publish' && ports !== undefined) void publish(ports).then(() => report({ type: 'published' }));
  };
  process.on('message', onMessage);
  return () => process.off('message', onMessage);
}
