// `limen install`, `limen uninstall` and `limen manifest generate`: IstioOperators as `istioctl install` takes them. The flags are istioctl's.
// https://istio.io/latest/docs/reference/commands/istioctl/#istioctl-install

import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseDuration } from '../../resources/duration.ts';
import type { ConfigurationOptions, InstallOptions, UninstallOptions } from './options.ts';
import type { InstallIo } from './print.ts';

const collect = (value: string, previous: string[] = []) => [...previous, value];

/** What says what is to be installed. */
const withConfiguration = (command: Command) =>
  command
    .option(
      '-f, --filename <path>',
      'a file with an IstioOperator, - for standard input (repeatable: later ones win)',
      collect,
    )
    .option(
      '-s, --set <path=value>',
      'a setting over the files: meshConfig.accessLogFile=/dev/stdout (repeatable)',
      collect,
    )
    .option('-n, --namespace <namespace>', 'where an IstioOperator goes that names none (default: istio-system)')
    .addOption(
      new Option('-i, --istioNamespace <namespace>', 'the namespace of the control plane: istio-system').argParser(
        istioNamespace,
      ),
    )
    .addOption(new Option('-r, --revision <revision>').hideHelp().argParser(noRevision));

/** What the running instance is changed by. */
const withInstance = (command: Command) =>
  command
    .option('-y, --skip-confirmation', 'go ahead without asking')
    .option('--dry-run', 'say what would happen, and change nothing')
    .addOption(
      new Option('--readiness-timeout <duration>', 'how long to wait for gateways to be up')
        .argParser(timeout)
        .default(DEFAULT_TIMEOUT_MS, '5m0s'),
    )
    .option('--home <dir>', 'the home of the instance (default: $LIMEN_HOME or ~/.limen)');

/** istioctl's. */
const DEFAULT_TIMEOUT_MS = 300_000;

/** Adds the commands. Their actions throw an Error for the user, or set the exit code. */
export function registerInstall(program: Command, io: InstallIo): void {
  withInstance(
    withConfiguration(
      program
        .command('install')
        .description('install gateways and mesh settings into the running instance, or change them'),
    ),
  )
    .addHelpText(
      'after',
      `
Profiles (--set profile=NAME): default, demo (with an access log), minimal (no gateway), empty (only what the file enables).

Examples:
  limen install --set meshConfig.accessLogFile=/dev/stdout
  limen install -y -n istioinaction -f my-user-gateway.yaml
  limen install -y --set profile=demo --set components.ingressGateways[0].k8s.replicaCount=2`,
    )
    .action(async (options: InstallOptions) => {
      const { install } = await import('./install.ts');
      process.exitCode = await install(options, io);
    });

  withInstance(
    withConfiguration(
      program
        .command('uninstall')
        .description('take away what was installed; the default gateway stays as limen up starts it'),
    ).option('--purge', 'all that was installed'),
  )
    .addHelpText(
      'after',
      `
Examples:
  limen uninstall -y -f my-user-gateway.yaml
  limen uninstall --purge`,
    )
    .action(async (options: UninstallOptions) => {
      const { uninstall } = await import('./uninstall.ts');
      process.exitCode = await uninstall(options, io);
    });

  withConfiguration(
    program
      .command('manifest')
      .description('print the objects that an installation stands for')
      .command('generate')
      .description('print, as YAML, what "limen install" with these flags would install; no instance needs to run'),
  )
    .addHelpText('after', '\nExample:\n  limen manifest generate -f my-user-gateway.yaml')
    .action(async (options: ConfigurationOptions) => {
      const { generate } = await import('./generate.ts');
      process.exitCode = await generate(options, io);
    });
}

function noRevision(): never {
  throw new InvalidArgumentError('Limen has one control plane, and so no revisions: leave it out.');
}

function istioNamespace(namespace: string): string {
  if (namespace !== 'istio-system') throw new InvalidArgumentError("Limen's control plane is in istio-system.");
  return namespace;
}

function timeout(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds === undefined) throw new InvalidArgumentError('expected a duration: 5m0s, 30s, 500ms.');
  return milliseconds;
}
