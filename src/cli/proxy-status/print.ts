// What `limen proxy-status` prints: asks the running control plane, picks the proxies, formats.

import { limenHome, readInstance } from '../instance.ts';
import type { Io } from '../proxy-config/source.ts';
import { proxyName as nameOfProxy, selectProxy } from '../proxy-config/workload.ts';
import type { ProxyStatusOptions } from './command.ts';
import type { SyncStatus } from './sync-status.ts';
import { formatStatus, proxyName } from './table.ts';

const TIMEOUT_MS = 10_000;

/**
 * Prints the status of all proxies or one.
 * @param proxy `[TYPE/]NAME[.NAMESPACE]`; also the name of one that is not of this instance, `POD.NAMESPACE`
 * @throws Error for the user
 */
export async function printProxyStatus(
  proxy: string | undefined,
  { namespace, output, verbosity, home }: ProxyStatusOptions,
  io: Io,
): Promise<void> {
  const instance = readInstance(limenHome(io.env, home));
  if (instance.debug === undefined) throw new Error('the running Limen is an older one: restart it');
  const status = await ask(`http://${instance.debug}/debug/syncz`, io);
  const inNamespace = status.resources.filter(
    (each) => namespace === undefined || proxyName(each).endsWith(`.${namespace}`),
  );
  let resources = inNamespace;
  if (proxy !== undefined) {
    resources = inNamespace.filter((each) => proxyName(each) === proxy || proxyName(each) === `${proxy}.${namespace}`);
    if (resources.length === 0) {
      const name = nameOfProxy(selectProxy(instance.proxies, proxy, namespace));
      resources = inNamespace.filter((each) => proxyName(each) === name);
      if (resources.length === 0) throw new Error(`${name} is not connected to the control plane`);
    }
  }
  if (resources.length === 0)
    throw new Error(`no proxy is connected${namespace === undefined ? '' : ` in namespace ${namespace}`}`);
  const shown = { ...status, resources };
  if (output === 'json') io.stdout(`${JSON.stringify(shown, undefined, 4)}\n`);
  else io.stdout(formatStatus(shown, { verbosity: verbosity === '0' ? 0 : 1, now: Date.now() }));
}

async function ask(url: string, io: Io): Promise<SyncStatus> {
  try {
    const response = await io.fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return (await response.json()) as SyncStatus;
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message || (cause as NodeJS.ErrnoException).code : message;
    throw new Error(`the control plane (${url}) can't be asked: ${reason}; is "limen up" still running?`, {
      cause: error,
    });
  }
}
