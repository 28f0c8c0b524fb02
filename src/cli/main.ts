// The `limen` command line: the tree of commands. Each command's code is loaded when it is called.

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { registerBootstrap } from './bootstrap.ts';
import { registerCompletion } from './completion.ts';
import { registerInstall } from './install/command.ts';
import { registerKubeconfig } from './kubeconfig.ts';
import { registerKubernetes } from './kubernetes/command.ts';
import { LOG_FORMATS, LOG_LEVELS } from './log.ts';
import { registerProxyConfig } from './proxy-config/command.ts';
import { registerProxyStatus } from './proxy-status/command.ts';
import { DATA_PLANES } from './up/data-planes.ts';
import { parsePublish } from './up/publish.ts';
import { registerVersion, VERSION } from './version.ts';

const io = {
  stdout: (text: string) => void process.stdout.write(text),
  stderr: (text: string) => void process.stderr.write(text),
  env: process.env,
  fetch: globalThis.fetch,
};

// `limen … | head`: the reader has seen enough, and nothing more is to be said.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const collect = (value: string, previous: string[] = []) => [...previous, value];
const wholeNumber = (least: number) => (value: string) => {
  const number = Number(value);
  if (!Number.isInteger(number) || number < least)
    throw new InvalidArgumentError(`expected a whole number from ${least} up.`);
  return number;
};
const portNumber = (value: string) => {
  const port = wholeNumber(0)(value);
  if (port > 65535) throw new InvalidArgumentError('expected a port number.');
  return port;
};
const publishValue = (value: string) => {
  try {
    parsePublish(value);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return value;
};
const collectPublish = (value: string, previous?: string[]) => collect(publishValue(value), previous);
const logOptions = (command: Command) =>
  command
    .addOption(new Option('--log-level <level>', 'how much is logged').choices(LOG_LEVELS).default('info'))
    .addOption(new Option('--log-format <format>', 'how a log line looks').choices(LOG_FORMATS).default('text'));

const program = new Command('limen')
  .description(
    'The Istio ingress gateway on one machine: Gateways, VirtualServices and DestinationRules without a cluster.',
  )
  .version(VERSION, '-V, --version', 'print the version')
  .showHelpAfterError('(--help shows what there is)')
  .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
  .addHelpText('after', '\nExample:\n  limen up -f examples/coolstore')
  .exitOverride();

logOptions(
  program
    .command('up')
    .description('serve configuration: start store, control plane and one gateway, in the foreground')
    .option('-f, --filename <path>', 'a file or folder of YAML or JSON; watched (repeatable)', collect)
    .option(
      '--publish <[addr:]hostport:serviceport>',
      "publish this port of the gateway's Service (repeatable; 0 = any free port)",
      collectPublish,
    )
    .option(
      '--image <name=command>',
      'run this command in place of containers of this image (repeatable; or in limen.yaml)',
      collect,
    )
    .option('--home <dir>', 'where the state of this instance lives (default: $LIMEN_HOME or ~/.limen)')
    .option('--workers <n>', 'worker processes (of Envoy: threads) of the gateway', wholeNumber(1), 1)
    .option(
      '--xds-port <[addr:]port>',
      'serve xDS there, beyond loopback only with TLS (default: a free port, the same at each start)',
    )
    .option('--xds-cert <file>', 'serve xDS on --xds-port over TLS with this certificate (PEM)')
    .option('--xds-key <file>', 'the key of --xds-cert (PEM)')
    .option('--xds-client-ca <file>', 'take only xDS clients with a certificate of this authority (PEM)')
    .option(
      '--api-port <port>',
      'the port of the Kubernetes API on 127.0.0.1 (default: 6443, or any free one)',
      portNumber,
    )
    .option('--drain-time <seconds>', 'how long requests under way may take at the end', wholeNumber(0), 5)
    .addOption(
      new Option('--data-plane <which>', "what carries the traffic: Limen's own proxy, or an Envoy")
        .choices(DATA_PLANES)
        .default('limen'),
    )
    .option('--envoy-path <file>', 'the envoy program (default: the one on the PATH)'),
)
  .addHelpText(
    'after',
    `
Examples:
  limen up -f examples/coolstore
  limen up -f examples/coolstore --data-plane envoy
  limen up -f config/ --publish 8080:80 --publish 8443:443
  limen up -f config/ --image 'example/shop=node shop.js'
  limen up -f config/ --xds-port 0.0.0.0:15012 --xds-cert server.crt --xds-key server.key --xds-client-ca ca.crt`,
  )
  .action(async (options) => {
    const { runUp } = await import('./up/command.ts');
    process.exitCode = await runUp(options, process);
  });

registerKubernetes(program, { ...io, color: useColor(process.stderr), standardInput: process.stdin });
registerInstall(program, {
  ...io,
  color: useColor(process.stderr),
  colorOut: useColor(process.stdout),
  terminal: { input: process.stdin, output: process.stdout },
});
registerProxyConfig(program, io);
registerProxyStatus(program, io);

logOptions(
  program
    .command('proxy')
    .description('run a data plane alone: a proxy that takes its configuration from an xDS server')
    .requiredOption('--xds <host:port>', 'the xDS server')
    .requiredOption('--node-id <id>', 'router~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local')
    .option('--xds-ca <file>', 'speak TLS to the xDS server, verified by this authority (PEM)')
    .option('--xds-cert <file>', 'the certificate to show to the xDS server (PEM)')
    .option('--xds-key <file>', 'the key of --xds-cert (PEM)')
    .option('--label <key=value>', 'a label of this workload, for Gateway selectors (repeatable)', collect)
    .option('--metadata <key=value>', 'node metadata, such as CLUSTER_ID=east (repeatable)', collect)
    .option(
      '--sds <address>',
      "a server of secrets (unix:PATH or HOST:PORT) for Istio's cluster sds-grpc: its agent's socket",
    )
    .option('--workers <n>', 'worker processes', wholeNumber(1), 1)
    .option('--address <ip>', 'bind listeners of 0.0.0.0 on this address instead')
    .option(
      '--publish <[addr:]hostport:listenerport>',
      'also serve a listener on this port (repeatable; 0 = any free port)',
      collectPublish,
    )
    .option('--admin-address <host:port>', 'where the admin interface listens (loopback only)', '127.0.0.1:15000')
    .option('--drain-time <seconds>', 'how long requests under way may take at the end', wholeNumber(0), 5),
)
  .addHelpText(
    'after',
    `
Example:
  limen proxy --xds 127.0.0.1:15010 --label app=istio-ingressgateway --label istio=ingressgateway \\
    --address 127.0.0.2 --publish 8080:8080 \\
    --node-id router~127.0.0.1~istio-ingressgateway-0.istio-system~istio-system.svc.cluster.local`,
  )
  .action(async (options) => {
    const { runProxy } = await import('./proxy.ts');
    process.exitCode = await runProxy(options, process);
  });

registerBootstrap(program, io);
registerKubeconfig(program, io);

program
  .command('validate')
  .description('check configuration without serving it; exit 1 when anything is wrong')
  .requiredOption('-f, --filename <path>', 'a file or folder of YAML or JSON (repeatable)', collect)
  .addHelpText('after', '\nExample:\n  limen validate -f config/')
  .action(async ({ filename }: { filename: string[] }) => {
    const { validate } = await import('./validate.ts');
    process.exitCode = await validate(filename, { ...io, color: useColor(process.stdout) });
  });

registerVersion(program, io);
registerCompletion(program);

/** Colours on a terminal, unless NO_COLOR asks for none. https://no-color.org */
function useColor(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR;
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode; // commander has printed the message
  } else {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
