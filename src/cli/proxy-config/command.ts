// `limen proxy-config`: the tree of commands, their flags and help. What a table says stands in the table's own file.

import { type Command, Option } from 'commander';
import {
  DIRECTIONS,
  ENDPOINT_STATUSES,
  LISTENER_TYPES,
  OUTPUT_FORMATS,
  type OutputFormat,
  type ProxyConfigOptions,
  parseBoolean,
  parseChoice,
  parsePort,
  type Table,
} from './options.ts';
import type { Io } from './source.ts';

/** One table's command. */
interface TableCommand {
  table: Table;
  /** The other names istioctl accepts. */
  aliases: readonly string[];
  description: string;
  filters: readonly FilterName[];
  examples: readonly string[];
  /** `short` unless given. */
  output?: OutputFormat;
  hidden?: boolean;
}

type FilterName = keyof typeof FILTERS;

const FILTERS = {
  address: () => new Option('--address <address>', 'only this IP address'),
  port: () => new Option('--port <port>', 'only this port').argParser(parsePort),
  type: () => choice(new Option('--type <type>', 'only listeners of this type'), LISTENER_TYPES),
  name: () => new Option('--name <name>', 'only the route configuration of this name'),
  fqdn: () => new Option('--fqdn <fqdn>', 'only clusters whose name contains this service name'),
  subset: () => new Option('--subset <subset>', 'only clusters whose name contains this subset'),
  direction: () => choice(new Option('--direction <direction>', 'only clusters of this direction'), DIRECTIONS),
  cluster: () => new Option('--cluster <name>', 'only endpoints of this cluster'),
  status: () => choice(new Option('--status <status>', 'only endpoints of this health'), ENDPOINT_STATUSES),
  verbose: () =>
    new Option('--verbose [true|false]', 'a line a filter chain or route; false: a line a listener or route name')
      .default(true)
      .preset('true')
      .argParser(parseBoolean),
} satisfies Record<string, () => Option>;

const GATEWAY = 'deploy/istio-ingressgateway';

const TABLES: readonly TableCommand[] = [
  {
    table: 'listeners',
    aliases: ['listener', 'l', 'li'],
    description: 'addresses, filter chain matches and where they lead',
    filters: ['address', 'port', 'type', 'verbose'],
    examples: [`${GATEWAY} -n istio-system`, `${GATEWAY} --port 8443`, `${GATEWAY} --type HTTP -o json`],
  },
  {
    table: 'routes',
    aliases: ['route', 'r'],
    description: 'virtual hosts, domains, matches and the VirtualService they come from',
    filters: ['name', 'verbose'],
    examples: [`${GATEWAY} -n istio-system`, `${GATEWAY} --name http.8080 -o json`],
  },
  {
    table: 'clusters',
    aliases: ['cluster', 'c'],
    description: 'services, ports and subsets the proxy can send to',
    filters: ['fqdn', 'port', 'subset', 'direction'],
    examples: [GATEWAY, `${GATEWAY} --fqdn catalog.istioinaction.svc.cluster.local -o json`],
  },
  {
    table: 'endpoints',
    aliases: ['endpoint', 'ep'],
    description: 'addresses behind each cluster and their health',
    filters: ['address', 'port', 'cluster', 'status'],
    examples: [GATEWAY, `${GATEWAY} --cluster "outbound|80||webapp.istioinaction.svc.cluster.local"`],
  },
  {
    table: 'eds',
    aliases: [],
    description: 'endpoints as EDS gave them, with their localities',
    filters: ['address', 'port', 'cluster', 'status'],
    examples: [GATEWAY],
    hidden: true,
  },
  {
    table: 'secrets',
    aliases: ['secret', 's'],
    description: 'certificates the proxy has over SDS, and whether they are valid',
    filters: [],
    examples: [`${GATEWAY} -n istio-system`],
  },
  {
    table: 'bootstrap',
    aliases: ['b'],
    description: 'what the proxy was started with',
    filters: [],
    examples: [GATEWAY, `${GATEWAY} -o short`],
    output: 'json',
  },
  {
    table: 'all',
    aliases: ['a'],
    description: 'every table, or with -o json the whole config dump',
    filters: ['address', 'port', 'type', 'name', 'fqdn', 'subset', 'direction', 'cluster', 'status', 'verbose'],
    examples: [GATEWAY, `${GATEWAY} -o json > dump.json`],
  },
];

const WORKLOAD_HELP = `
WORKLOAD is deploy/NAME, pod/NAME or a pod's name, each with .NAMESPACE or not; without it, the only gateway there is.`;

/**
 * Adds `proxy-config` and its sub-commands to the command line. Their actions throw an Error for the user.
 * @param io where output goes and how an admin interface is asked
 */
export function registerProxyConfig(program: Command, io: Io): void {
  const proxyConfig = program
    .command('proxy-config')
    .alias('pc')
    .description('show what a proxy is configured with: listeners, routes, clusters, endpoints, secrets')
    .configureHelp({ sortSubcommands: false })
    .addHelpText(
      'after',
      `${WORKLOAD_HELP}

Examples:
  limen proxy-config listeners ${GATEWAY} -n istio-system
  limen pc routes istio-ingressgateway.istio-system
  curl -s localhost:15000/config_dump > dump.json; limen pc clusters --file dump.json`,
    );
  for (const table of TABLES) addTable(proxyConfig, table, io);
}

function addTable(proxyConfig: Command, spec: TableCommand, io: Io): void {
  const { table } = spec;
  const output = new Option('-o, --output <format>', 'how it is printed').choices(OUTPUT_FORMATS);
  const command = proxyConfig
    .command(table, { hidden: spec.hidden ?? false })
    .aliases(spec.aliases)
    .description(spec.description)
    .argument('[workload]', '[TYPE/]NAME[.NAMESPACE] of the proxy')
    .option('-n, --namespace <namespace>', "the proxy's namespace (default: wherever the name exists once)")
    .addOption(output.default(spec.output ?? 'short'))
    .option('-f, --file <dump>', `read this saved ${dumpOf(table)} instead of a running proxy; - for standard input`)
    .option('--home <dir>', 'the home of the instance to ask (default: $LIMEN_HOME or ~/.limen)');
  for (const filter of spec.filters) command.addOption(FILTERS[filter]());
  const file = table === 'endpoints' ? 'clusters.json' : 'dump.json';
  const examples = [...spec.examples, `--file ${file}`].map((example) => `  limen proxy-config ${table} ${example}`);
  command.addHelpText('after', `${WORKLOAD_HELP}\n\nExamples:\n${examples.join('\n')}`);
  command.action(async (workload: string | undefined, options: ProxyConfigOptions) => {
    const { printProxyConfig } = await import('./print.ts');
    await printProxyConfig(table, workload, options, io);
  });
}

function dumpOf(table: Table): string {
  return table === 'endpoints' ? '/clusters?format=json (or /config_dump?include_eds=true)' : '/config_dump';
}

/** Choices that help and completion show, and that are taken in any case. */
function choice<const Choice extends string>(option: Option, choices: readonly Choice[]): Option {
  return option.choices(choices).argParser(parseChoice(choices));
}
