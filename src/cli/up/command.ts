// `limen up`, the first steps: a data plane's process is started before anything else is loaded, so that both load side by side.

import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findEnvoy } from '../envoy/program.ts';
import type { UpOptions } from './serve.ts';
import { supplyDataPlanes } from './spare.ts';

/** The programs of the data planes. The same file type as this one: source in a checkout, JavaScript in the built package. */
const PROGRAMS = { limen: moduleFile('./data-plane-process'), envoy: moduleFile('../envoy/envoy-process') };

/** That of the pods' proxies, which are Limen's own with either. */
const SIDECARS_PROGRAM = moduleFile('./sidecars-process');

/**
 * Runs until a signal ends it.
 * @returns the exit code: 0 after SIGINT or SIGTERM
 * @throws Error with a message for the user when it can't start (a port is taken, the home is in use, there is no Envoy)
 */
export async function runUp(options: UpOptions, process: NodeJS.Process): Promise<number> {
  if (options.dataPlane === 'limen' && options.envoyPath !== undefined)
    throw new Error('--envoy-path: expected beside --data-plane envoy');
  const dataPlanes = supplyDataPlanes(PROGRAMS[options.dataPlane]);
  try {
    const envoy = options.dataPlane === 'envoy' ? findEnvoy(options.envoyPath, process.env) : undefined;
    envoy?.catch(() => {}); // awaited below
    const { serve } = await import('./serve.ts');
    return await serve(options, { dataPlanes, envoy: await envoy, sidecarsProgram: SIDECARS_PROGRAM }, process);
  } finally {
    await dataPlanes.close();
  }
}

function moduleFile(path: string): string {
  return fileURLToPath(new URL(`${path}${extname(import.meta.url)}`, import.meta.url));
}
