// The seam to the proxies of pods: through them containers call services. The node has one started before a pod's containers, and ends it after them.

import type { Pod } from '../resources/types.ts';

/** A pod's proxy. */
export interface PodProxy {
  /** What containers are told: `http://127.1.2.3:15001`. */
  readonly url: string;
  /** Whether it takes calls. Once it did, this stays true: a proxy that died is back in a moment, and the pod can be called meanwhile. */
  readonly listening: boolean;
  /** Why it does not listen, where that is known. It is tried again. */
  readonly problem: string | undefined;
  /** Ends it. Resolves when it is gone. */
  stop(): Promise<void>;
}

/**
 * Starts the proxy of a pod; resolves as soon as its address is known.
 * @param changed called when `listening` or `problem` has changed
 * @returns undefined for a pod that gets none
 */
export type StartPodProxy = (pod: Pod, ip: string, changed: () => void) => Promise<PodProxy | undefined>;
