// `limen apply`, `get`, `delete` and `logs`: the running instance's Kubernetes API for people without kubectl. The flags are kubectl's.

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from './client.ts';
import { type ApplyOptions, type DeleteOptions, GET_FORMATS, type GetOptions, type LogsOptions } from './options.ts';

/** A process, for the commands that read its standard input. */
type ProcessIo = Io & { color: boolean; standardInput: NodeJS.ReadableStream };

const collect = (value: string, previous: string[] = []) => [...previous, value];

const withPlace = (command: Command) =>
  command
    .option('-n, --namespace <namespace>', 'where objects are that name no namespace (default: default)')
    .option('--home <dir>', 'the home of the instance to ask (default: $LIMEN_HOME or ~/.limen)');

/** Adds the commands. Their actions throw an Error for the user, or set the exit code. */
export function registerKubernetes(program: Command, io: ProcessIo): void {
  withPlace(
    program
      .command('apply')
      .description('create or change objects of the running instance')
      .requiredOption(
        '-f, --filename <path>',
        'a file or folder of YAML or JSON, - for standard input (repeatable)',
        collect,
      )
      .option('--force-conflicts', 'take over fields that someone else has set')
      .option('--dry-run', 'have the server check it all, and keep nothing'),
  )
    .addHelpText(
      'after',
      `
Examples:
  limen apply -f examples/coolstore/gateway.yaml -n istioinaction
  limen get vs webapp -o yaml | sed s/v1/v2/ | limen apply -f -`,
    )
    .action(async (options: ApplyOptions) => {
      const { apply } = await import('./apply.ts');
      process.exitCode = await apply(options, io);
    });

  withPlace(
    program
      .command('get')
      .description('show objects of the running instance')
      .argument('<type...>', 'TYPE[,TYPE…], TYPE NAME… or TYPE/NAME…; a type by its plural, short name or kind')
      .option('-A, --all-namespaces', 'of all namespaces')
      .option('-l, --selector <labels>', 'only objects with these labels (key=value,…)')
      .addOption(new Option('-o, --output <format>', 'how it is printed').choices(GET_FORMATS).default('table')),
  )
    .addHelpText(
      'after',
      `
Examples:
  limen get gw,vs -A
  limen get pods -n istioinaction -o wide
  limen get vs/webapp -n istioinaction -o yaml`,
    )
    .action(async (words: string[], options: GetOptions) => {
      const { get } = await import('./get.ts');
      process.exitCode = await get(words, options, io);
    });

  withPlace(
    program
      .command('delete')
      .description('delete objects of the running instance')
      .argument('[type...]', 'TYPE NAME… or TYPE/NAME…')
      .option('-f, --filename <path>', 'the objects of a file or folder, - for standard input (repeatable)', collect)
      .option('--ignore-not-found', 'what is not there is no error'),
  )
    .addHelpText(
      'after',
      `
Examples:
  limen delete vs webapp -n istioinaction
  limen delete -f examples/coolstore`,
    )
    .action(async (words: string[], options: DeleteOptions) => {
      const { deleteObjects } = await import('./delete.ts');
      process.exitCode = await deleteObjects(words, options, io);
    });

  withPlace(
    program
      .command('logs')
      .description("print what a pod's container wrote")
      .argument('<pod>', 'a pod, or TYPE/NAME of what has pods: deploy/webapp')
      .option('-c, --container <name>', 'which container, where there are several')
      .option('-f, --follow', 'go on as long as it runs')
      .option('-p, --previous', "of the container's run before this one")
      .option('--timestamps', 'with the time of each line')
      .option('--tail <lines>', 'only so many lines of the end', wholeNumber),
  )
    .addHelpText('after', '\nExample:\n  limen logs deploy/webapp -n istioinaction -f --tail 20')
    .action(async (word: string, options: LogsOptions) => {
      const { logs } = await import('./logs.ts');
      await logs(word, options, io);
    });
}

function wholeNumber(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 0 up.');
  return Number(text);
}
