// `limen manifest generate`: the objects that an installation stands for, as YAML. Asks no instance.

import { stringify } from 'yaml';
import { manifestOf } from '../../workloads/install/manifest.ts';
import { readConfiguration } from './configuration.ts';
import type { ConfigurationOptions } from './options.ts';
import { type InstallIo, printProblems } from './print.ts';

/**
 * Prints them.
 * @returns the exit code: 1 when something is wrong with the configuration
 * @throws Error for the user
 */
export async function generate(options: ConfigurationOptions, io: InstallIo): Promise<number> {
  const { operator, problems } = await readConfiguration(options, io.terminal.input);
  printProblems(problems, io);
  if (operator === undefined) return 1;
  const documents = manifestOf(operator).objects.map((object) =>
    stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 }),
  );
  io.stdout(documents.join('---\n'));
  return 0;
}
