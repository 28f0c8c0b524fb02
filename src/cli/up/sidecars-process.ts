// The program of all pods' proxies: one process, in which each pod has a data plane of its own, with its own place in xDS and its own listeners.

import { enableCompileCache } from 'node:module';
import type { RunningProxy } from '../../dataplane/proxy.ts';
import type { FromSidecars, ToSidecars } from './sidecars/messages.ts';

enableCompileCache();
process.title = 'limen sidecars';
// Its output is the supervisor's, which may end first.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
process.once('disconnect', () => process.exit(0));

const proxies = new Map<number, Promise<RunningProxy>>();
/** What came while the code was loading. */
const early: ToSidecars[] = [];
let take = (message: ToSidecars) => void early.push(message);
process.on('message', (message: ToSidecars) => take(message));

const [{ startProxy }, { proxyOptions }, { formatHostPort, parseHostPort }] = await Promise.all([
  import('../../dataplane/proxy.ts'),
  import('../proxy.ts'),
  import('../host-port.ts'),
]);
take = (message) => void (message.type === 'start' ? start(message) : stop(message.id));
for (const message of early) take(message);

async function start({ id, flags }: Extract<ToSidecars, { type: 'start' }>): Promise<void> {
  try {
    const starting = startProxy(proxyOptions(flags, process));
    proxies.set(id, starting);
    const proxy = await starting;
    await Promise.race([proxy.ready, proxy.closed]);
    const { host } = parseHostPort(flags.adminAddress, '--admin-address');
    tell({ type: 'ready', id, admin: formatHostPort({ host, port: proxy.adminPort }) });
    // `POST /quitquitquit`: in a pod the container would start anew.
    await proxy.closed;
    if (proxies.delete(id)) tell({ type: 'failed', id, message: 'it was told to quit' });
  } catch (error) {
    proxies.delete(id);
    tell({ type: 'failed', id, message: (error as Error).message });
  }
}

async function stop(id: number): Promise<void> {
  const proxy = await proxies.get(id)?.catch(() => undefined);
  proxies.delete(id);
  await proxy?.close();
  tell({ type: 'stopped', id });
}

function tell(message: FromSidecars): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a supervisor that is gone: 'disconnect' says so
}
