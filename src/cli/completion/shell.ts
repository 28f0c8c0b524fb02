// What the scripts for bash and zsh have in common: quoting, and the `case` patterns that follow the words of a command line.

import type { CompletionCommand } from './tree.ts';

/** A word in single quotes, whatever it holds. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** `case` branches that set `$at` to the command which the next word names. */
export function walkBranches(commands: readonly CompletionCommand[], indent: string): string {
  return commands
    .flatMap(({ path, subcommands }) =>
      subcommands.map((child) => {
        const patterns = child.names.map((name) => quote(`${path} ${name}`)).join('|');
        return `${indent}${patterns}) at=${quote(child.path)} ;;\n`;
      }),
    )
    .join('');
}

/** The patterns `command flag` of all flags that take the next word. */
export function valueFlagPatterns(commands: readonly CompletionCommand[]): string {
  return commands
    .flatMap(({ path, flags }) =>
      flags
        .filter((flag) => flag.value !== undefined)
        .flatMap((flag) => flag.names.map((name) => quote(`${path} ${name}`))),
    )
    .join('|');
}
