// The program of a data plane that `limen up` starts. It loads while the supervisor still reads configuration, and is told its flags then.

import { enableCompileCache } from 'node:module';
import { nameProcess } from '../../workloads/process-name.ts';
import type { ProxyFlags } from '../proxy.ts';

enableCompileCache();
// Its output goes to the supervisor, which may end first.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
const flags = new Promise<ProxyFlags | undefined>((resolve) => {
  process.once('message', (message) => resolve(message as ProxyFlags));
  process.once('disconnect', () => resolve(undefined)); // the supervisor ended before it had anything to serve
});
const { runProxy } = await import('../proxy.ts');
const given = await flags;
if (given !== undefined) {
  nameProcess('limen proxy', `limen proxy ${given.nodeId}`);
  try {
    process.exitCode = await runProxy(given, process);
  } catch {
    process.exitCode = 1; // the supervisor has been told
  }
}
