// Waiting for gateways, and the line on the terminal that says so meanwhile.

import { readInstance } from '../instance.ts';
import type { ApiClient } from '../kubernetes/client.ts';
import type { InstallIo } from './print.ts';
import { type GatewayName, type Readiness, waitForGateways } from './readiness.ts';

/** One that is wider than the terminal could not be taken back. */
const WIDTH = 79;

/**
 * Waits until all gateways of the instance with this home are up, or the time is over. Where output may be coloured, a line of standard error
 * names those that are still waited for; what is printed next takes its place.
 */
export async function waitVisibly(
  client: ApiClient,
  gateways: readonly GatewayName[],
  home: string,
  timeoutMs: number,
  io: InstallIo,
): Promise<Readiness> {
  const show = (text: string) => {
    if (io.color) io.stderr(`\r\u001b[K${text.slice(0, WIDTH)}`);
  };
  const onWait = (waiting: readonly GatewayName[]) =>
    show(`- Waiting for ${waiting.map(({ namespace, name }) => `Deployment/${namespace}/${name}`).join(', ')}`);
  const readiness = await waitForGateways(client, gateways, () => readInstance(home).proxies, timeoutMs, onWait);
  show('');
  return readiness;
}
