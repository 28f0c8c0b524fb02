// `limen bootstrap`: what an Envoy that runs elsewhere is started with, to be a gateway of a running `limen up`; or an application whose
// gRPC library is a client of the control plane by itself.

import { isIP } from 'node:net';
import { resolve } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { type Command, Option } from 'commander';
import type { XdsTlsFiles } from './envoy/bootstrap.ts';
import { type HostPort, parseHostPort } from './host-port.ts';
import type { Io } from './proxy-config/source.ts';
import { type ClientTlsFlags, readClientTls } from './xds-tls-files.ts';

interface BootstrapFlags extends ClientTlsFlags {
  nodeId?: string;
  grpc?: boolean;
  label?: string[];
  serviceAccount?: string;
  xds?: string;
  address?: string;
  adminAddress?: string;
  output: 'json' | 'yaml';
  home?: string;
}

const NODE_ID = 'router~127.0.0.1~istio-ingressgateway-envoy.istio-system~istio-system.svc.cluster.local';
const GRPC_NODE_ID = 'sidecar~127.0.0.1~grpc-client.default~default.svc.cluster.local';
/** The labels of the default gateway: its Gateways are served. */
const LABELS = ['app=istio-ingressgateway', 'istio=ingressgateway'];

/** Adds `bootstrap` to the command line. Its action throws an Error for the user. */
export function registerBootstrap(program: Command, io: Io): void {
  program
    .command('bootstrap')
    .description(
      'print the bootstrap of an Envoy, or of a gRPC application, that is to have its configuration from a running "limen up"',
    )
    .option('--grpc', 'of a gRPC application: the file that $GRPC_XDS_BOOTSTRAP names')
    .option(
      '--node-id <id>',
      `TYPE~IP~POD.NAMESPACE~NAMESPACE.svc.cluster.local (default: ${NODE_ID}; with --grpc ${GRPC_NODE_ID})`,
    )
    .option(
      '--label <key=value>',
      `a label of its workload, for Gateway selectors (repeatable; default: ${LABELS.join(' and ')}; with --grpc none)`,
      collect,
    )
    .option('--service-account <name>', "its workload's ServiceAccount")
    .option('--xds <host:port>', 'the xDS server (default: that of the running instance)')
    .option('--xds-ca <file>', 'speak TLS to the xDS server (then --xds names it), verified by this authority (PEM)')
    .option('--xds-cert <file>', 'the certificate to show to the xDS server (PEM)')
    .option('--xds-key <file>', 'the key of --xds-cert (PEM)')
    .option('--address <ip>', 'bind its listeners on this address (default: on all, as in a pod)')
    .option('--admin-address <host:port>', 'where its admin interface listens (default: 127.0.0.1:15000)')
    .addOption(new Option('-o, --output <format>', 'how it is printed').choices(['json', 'yaml']).default('json'))
    .option('--home <dir>', 'the home of the instance to serve (default: $LIMEN_HOME or ~/.limen)')
    .addHelpText(
      'after',
      `
Examples:
  limen bootstrap > bootstrap.json; envoy -c bootstrap.json --use-dynamic-base-id
  limen bootstrap --address 127.0.0.9 --admin-address 127.0.0.9:15000 -o yaml > bootstrap.yaml
  limen bootstrap --grpc > grpc.json; GRPC_XDS_BOOTSTRAP=grpc.json node client.js   # dials xds:///greeter.default:7070`,
    )
    .action(async (flags: BootstrapFlags) => {
      io.stdout(await printBootstrap(flags, io));
    });
}

async function printBootstrap(flags: BootstrapFlags, io: Io): Promise<string> {
  const nodeId = flags.nodeId ?? (flags.grpc ? GRPC_NODE_ID : NODE_ID);
  const parts = nodeId.split('~');
  if (parts.length !== 4 || parts.includes(''))
    throw new Error(`--node-id ${nodeId}: expected TYPE~IP~POD.NAMESPACE~DOMAIN, for example ${NODE_ID}`);
  const { limenHome, readInstance } = await import('./instance.ts');
  const xds = parseHostPort(flags.xds ?? readInstance(limenHome(io.env, flags.home)).xds, '--xds');
  const tls = tlsFilesOf(flags);
  const bootstrap = flags.grpc ? await ofGrpc(flags, nodeId, { xds, tls }) : await ofEnvoy(flags, nodeId, { xds, tls });
  if (flags.output === 'json') return `${JSON.stringify(bootstrap, undefined, 2)}\n`;
  const { stringify } = await import('yaml');
  return stringify(bootstrap, { indentSeq: false, lineWidth: 0 });
}

async function ofEnvoy(flags: BootstrapFlags, nodeId: string, server: XdsServer): Promise<JsonObject> {
  const [{ BIND_METADATA, bindMetadata }, { envoyBootstrap }, { proxyNode }] = await Promise.all([
    import('../controlplane/bind.ts'),
    import('./envoy/bootstrap.ts'),
    import('./proxy-node.ts'),
  ]);
  const bind = flags.address === undefined ? undefined : { address: flags.address, taken: [], reusePort: false };
  if (bind !== undefined && isIP(bind.address) === 0)
    throw new Error(`--address ${bind.address}: expected an IP address`);
  const metadata = bind === undefined ? {} : { [BIND_METADATA]: bindMetadata(bind) };
  return envoyBootstrap({
    node: proxyNode({ ...flags, nodeId, label: flags.label ?? LABELS }, metadata),
    bind,
    ...server,
    admin: parseHostPort(flags.adminAddress ?? '127.0.0.1:15000', '--admin-address'),
  });
}

async function ofGrpc(flags: BootstrapFlags, nodeId: string, server: XdsServer): Promise<JsonObject> {
  for (const flag of ['address', 'adminAddress'] as const) {
    if (flags[flag] === undefined) continue;
    throw new Error(
      `${flag === 'address' ? '--address' : '--admin-address'}: expected without --grpc: a gRPC client listens nowhere`,
    );
  }
  if (flags.output !== 'json')
    throw new Error('--output yaml: expected json with --grpc: gRPC libraries read nothing else');
  const { grpcBootstrap } = await import('./grpc-bootstrap.ts');
  return grpcBootstrap({ identity: { ...flags, nodeId }, ...server });
}

/** The server, and the files that TLS to it is made with. */
interface XdsServer {
  xds: HostPort;
  tls: XdsTlsFiles | undefined;
}

/** Absolute paths, once the files are found to be what they should be. */
function tlsFilesOf(flags: BootstrapFlags): XdsTlsFiles | undefined {
  if (readClientTls(flags) === undefined || flags.xdsCa === undefined) return undefined;
  if (flags.xds === undefined)
    throw new Error(
      '--xds-ca: expected with --xds HOST:PORT, where TLS is served: the port that is found by itself speaks plain text',
    );
  const pair =
    flags.xdsCert === undefined || flags.xdsKey === undefined
      ? {}
      : { cert: resolve(flags.xdsCert), key: resolve(flags.xdsKey) };
  return { ca: resolve(flags.xdsCa), ...pair };
}

const collect = (value: string, previous: string[] = []) => [...previous, value];
