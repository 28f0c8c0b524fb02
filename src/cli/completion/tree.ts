// What a shell needs to know of the command line: for each command its sub-commands, flags and the values they take.

import type { Command, Option } from 'commander';

/** What a flag or argument takes: some words, a path, or something only the user knows. */
export type Value = { kind: 'words'; words: readonly string[] } | { kind: 'file' | 'folder' | 'other' };

/** A flag with all its spellings: `-o`, `--output`. */
export interface CompletionFlag {
  names: readonly string[];
  description: string;
  /** Undefined where the next word is not the flag's value. */
  value: Value | undefined;
}

/** A command, by its path in full names: `limen proxy-config listeners`. */
export interface CompletionCommand {
  path: string;
  /** Every name of a direct sub-command, those that help shows and their aliases. */
  subcommands: readonly { names: readonly string[]; path: string; description: string }[];
  flags: readonly CompletionFlag[];
  /** What its first argument takes. */
  argument: Value | undefined;
}

/** All commands, the program first. */
export function completionTree(program: Command): CompletionCommand[] {
  return commandsFrom(program, program.name());
}

function commandsFrom(command: Command, path: string): CompletionCommand[] {
  const help = command.createHelp();
  const children = help.visibleCommands(command).filter((child) => child.name() !== 'help');
  const [argument] = command.registeredArguments;
  const own: CompletionCommand = {
    path,
    subcommands: children.map((child) => ({
      names: [child.name(), ...child.aliases()],
      path: `${path} ${child.name()}`,
      description: child.description(),
    })),
    flags: help.visibleOptions(command).map(flagOf),
    argument: argument?.argChoices === undefined ? undefined : { kind: 'words', words: argument.argChoices },
  };
  return [own, ...children.flatMap((child) => commandsFrom(child, `${path} ${child.name()}`))];
}

function flagOf(option: Option): CompletionFlag {
  const names = [option.short, option.long].filter((name) => name !== undefined);
  return { names, description: option.description, value: option.required ? takes(option) : undefined };
}

/** The placeholder in the flag's help says what it takes: `<path>` and `<dump>` are files, `<dir>` is a folder. */
function takes(option: Option): Value {
  if (option.argChoices !== undefined) return { kind: 'words', words: option.argChoices };
  const placeholder = /<([^>]+)>/.exec(option.flags)?.[1];
  if (placeholder === 'path' || placeholder === 'dump') return { kind: 'file' };
  return { kind: placeholder === 'dir' ? 'folder' : 'other' };
}
