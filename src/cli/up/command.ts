// `limen up`, the first steps: the data plane's process is started before anything else is loaded, so that both load side by side.

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { UpOptions } from './serve.ts';
import { startDataPlane } from './supervise.ts';

/** The same file type as this one: source in a checkout, JavaScript in the built package. */
const PROGRAM = fileURLToPath(new URL(`./data-plane-process${extname(import.meta.url)}`, import.meta.url));

/**
 * Runs until a signal ends it.
 * @returns the exit code: 0 after SIGINT or SIGTERM
 * @throws Error with a message for the user when it can't start (a port is taken, the home is in use)
 */
export async function runUp(options: UpOptions, process: NodeJS.Process): Promise<number> {
  const dataPlane = startDataPlane(PROGRAM);
  try {
    const { serve } = await import('./serve.ts');
    return await serve(options, dataPlane, process);
  } finally {
    await dataPlane.drain();
  }
}
