// `limen proxy-status`: which proxies are connected, and whether each has what the control plane sent it.

import { type Command, Option } from 'commander';
import type { Io } from '../proxy-config/source.ts';

/** The flags, as commander names them. */
export interface ProxyStatusOptions {
  namespace?: string;
  output: 'table' | 'json';
  verbosity: '0' | '1';
  home?: string;
}

/** Adds `proxy-status` to the command line. Its action throws an Error for the user. */
export function registerProxyStatus(program: Command, io: Io): void {
  program
    .command('proxy-status')
    .alias('ps')
    .description('show whether each connected proxy has what the control plane sent it')
    .argument('[proxy]', '[TYPE/]NAME[.NAMESPACE] of one proxy (default: all)')
    .option('-n, --namespace <namespace>', 'only proxies of this namespace')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['table', 'json']).default('table'))
    .addOption(
      new Option('-v, --verbosity <level>', "0: only which types are subscribed, as istioctl's 0; 1: the state of each")
        .choices(['0', '1'])
        .default('1'),
    )
    .option('--home <dir>', 'the home of the instance to ask (default: $LIMEN_HOME or ~/.limen)')
    .addHelpText(
      'after',
      `
SYNCED: it has accepted what was sent last. STALE: it has not answered yet. NOT SENT: there is nothing for it.
ERROR: it refused that, and serves what it had; the reason stands below. IGNORED: it did not ask for it.
In parentheses: how long ago it was sent.

Examples:
  limen proxy-status
  limen ps istio-ingressgateway.istio-system -o json`,
    )
    .action(async (proxy: string | undefined, options: ProxyStatusOptions) => {
      const { printProxyStatus } = await import('./print.ts');
      await printProxyStatus(proxy, options, io);
    });
}
