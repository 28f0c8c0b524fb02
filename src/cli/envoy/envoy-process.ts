// The program of a data plane that is an Envoy: `limen up` starts this, and this starts Envoy, so that Envoy ends when `limen up` does.

import { enableCompileCache } from 'node:module';
import { nameProcess } from '../../workloads/process-name.ts';
import type { EnvoyFlags } from './run.ts';

enableCompileCache();
// Its output goes to the supervisor, which may end first.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
const flags = new Promise<EnvoyFlags | undefined>((resolve) => {
  process.once('message', (message) => resolve(message as EnvoyFlags));
  process.once('disconnect', () => resolve(undefined)); // the supervisor ended before it had anything to serve
});
const { runEnvoy } = await import('./run.ts');
const given = await flags;
if (given !== undefined) {
  nameProcess('limen envoy', `limen envoy ${given.nodeId}`);
  try {
    process.exitCode = await runEnvoy(given, process);
  } catch {
    process.exitCode = 1; // the supervisor has been told
  }
}
