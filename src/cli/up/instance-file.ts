// What runs, told to the other commands in instance.json: anew at each change, and again until it could be written.

import type { Logger } from 'pino';
import { type Instance, writeInstance } from '../instance.ts';

/** How long until it is written again, in milliseconds: other commands wait for it, and a disk that is full is not free the next moment. */
const RETRY_MS = 2_000;

/** The instance.json of this process. */
export interface InstanceFile {
  /** Says what runs now. Where it cannot be written (a full disk), that is logged and tried again: what serves goes on. */
  tell(instance: Instance): void;
  /** To be called at the end: nothing is tried again. */
  close(): void;
}

/** @param home the folder it is in */
export function instanceFile(home: string, log: Logger, retryMs = RETRY_MS): InstanceFile {
  let untold: Instance | undefined;
  let timer: NodeJS.Timeout | undefined;
  const write = (instance: Instance) => {
    try {
      writeInstance(home, instance);
      if (untold !== undefined) log.info('instance.json is written again');
      untold = undefined;
    } catch (error) {
      if (untold === undefined)
        log.warn(
          `instance.json cannot be written to ${home}, limen proxy-config may not find all proxies: ${(error as Error).message}`,
        );
      untold = instance;
      clearTimeout(timer);
      timer = setTimeout(() => write(instance), retryMs).unref();
    }
  };
  return {
    tell: (instance) => {
      clearTimeout(timer); // what is told now is newer
      write(instance);
    },
    close: () => clearTimeout(timer),
  };
}
