// `limen bootstrap`: what an Envoy that runs elsewhere is started with, to be a gateway of a running `limen up`.

import { isIP } from 'node:net';
import { type Command, Option } from 'commander';
import { parseHostPort } from './host-port.ts';
import type { Io } from './proxy-config/source.ts';

interface BootstrapFlags {
  nodeId: string;
  label?: string[];
  serviceAccount?: string;
  xds?: string;
  address?: string;
  adminAddress: string;
  output: 'json' | 'yaml';
  home?: string;
}

const NODE_ID = 'router~127.0.0.1~istio-ingressgateway-envoy.istio-system~istio-system.svc.cluster.local';
/** The labels of the default gateway: its Gateways are served. */
const LABELS = ['app=istio-ingressgateway', 'istio=ingressgateway'];

/** Adds `bootstrap` to the command line. Its action throws an Error for the user. */
export function registerBootstrap(program: Command, io: Io): void {
  program
    .command('bootstrap')
    .description('print the bootstrap of an Envoy that is to serve what a running "limen up" has')
    .option('--node-id <id>', 'router~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local', NODE_ID)
    .option(
      '--label <key=value>',
      `a label of its workload, for Gateway selectors (repeatable; default: ${LABELS.join(' and ')})`,
      collect,
    )
    .option('--service-account <name>', "its workload's ServiceAccount")
    .option('--xds <host:port>', 'the xDS server (default: that of the running instance)')
    .option('--address <ip>', 'bind its listeners on this address (default: on all, as in a pod)')
    .option('--admin-address <host:port>', 'where its admin interface listens', '127.0.0.1:15000')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['json', 'yaml']).default('json'))
    .option('--home <dir>', 'the home of the instance to serve (default: $LIMEN_HOME or ~/.limen)')
    .addHelpText(
      'after',
      `
Examples:
  limen bootstrap > bootstrap.json; envoy -c bootstrap.json --use-dynamic-base-id
  limen bootstrap --address 127.0.0.9 --admin-address 127.0.0.9:15000 -o yaml > bootstrap.yaml`,
    )
    .action(async (flags: BootstrapFlags) => {
      io.stdout(await printBootstrap(flags, io));
    });
}

async function printBootstrap(flags: BootstrapFlags, io: Io): Promise<string> {
  const [{ BIND_METADATA, bindMetadata }, { envoyBootstrap }, { proxyNode }, { limenHome, readInstance }] =
    await Promise.all([
      import('../controlplane/bind.ts'),
      import('./envoy/bootstrap.ts'),
      import('./proxy-node.ts'),
      import('./instance.ts'),
    ]);
  const parts = flags.nodeId.split('~');
  if (parts.length !== 4 || parts.includes(''))
    throw new Error(`--node-id ${flags.nodeId}: expected TYPE~IP~POD.NAMESPACE~DOMAIN, for example ${NODE_ID}`);
  const xds = flags.xds ?? readInstance(limenHome(io.env, flags.home)).xds;
  const bind = flags.address === undefined ? undefined : { address: flags.address, publish: [] };
  if (bind !== undefined && isIP(bind.address) === 0)
    throw new Error(`--address ${bind.address}: expected an IP address`);
  const metadata = bind === undefined ? {} : { [BIND_METADATA]: bindMetadata(bind) };
  const bootstrap = envoyBootstrap({
    node: proxyNode({ ...flags, label: flags.label ?? LABELS }, metadata),
    bind,
    xds: parseHostPort(xds, '--xds'),
    admin: parseHostPort(flags.adminAddress, '--admin-address'),
  });
  if (flags.output === 'json') return `${JSON.stringify(bootstrap, undefined, 2)}\n`;
  const { stringify } = await import('yaml');
  return stringify(bootstrap, { indentSeq: false, lineWidth: 0 });
}

const collect = (value: string, previous: string[] = []) => [...previous, value];
