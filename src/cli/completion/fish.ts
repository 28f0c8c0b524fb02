// Completion for fish: as a file in ~/.config/fish/completions, or sourced.

import type { CompletionCommand, CompletionFlag, Value } from './tree.ts';

/** The script. A function tells which command the line is at; each `complete` line holds for one of them. */
export function fishScript(commands: readonly CompletionCommand[]): string {
  const name = commands[0]?.path ?? 'limen';
  const at = (path: string) => `-n ${quote(`__fish_${name}_at ${quote(path)}`)}`;
  const lines = commands.flatMap(({ path, subcommands, flags, argument }) => [
    ...subcommands.map(
      (child) => `complete -c ${name} ${at(path)} -a ${quote(child.names[0] ?? '')} -d ${quote(child.description)}`,
    ),
    ...(argument?.kind === 'words' ? [`complete -c ${name} ${at(path)} -a ${quote(argument.words.join(' '))}`] : []),
    ...flags.map((flag) => `complete -c ${name} ${at(path)} ${flagArguments(flag)}`),
  ]);
  return `# fish completion for ${name}
# True when the finished words lead to this command.
function __fish_${name}_at
  set -l path ${quote(name)}
  set -l flag ''
  for word in (commandline -opc)[2..-1]
    if test -n "$flag"
      set flag ''
      continue
    end
    switch "$path $word"
${valueFlagCases(commands)}${walkCases(commands)}    end
  end
  test "$path" = "$argv[1]"
end
complete -c ${name} -f
${lines.join('\n')}
`;
}

function valueFlagCases(commands: readonly CompletionCommand[]): string {
  const patterns = commands.flatMap(({ path, flags }) =>
    flags
      .filter((flag) => flag.value !== undefined)
      .flatMap((flag) => flag.names.map((name) => quote(`${path} ${name}`))),
  );
  return patterns.length === 0 ? '' : `      case ${patterns.join(' ')}\n        set flag $word\n`;
}

function walkCases(commands: readonly CompletionCommand[]): string {
  return commands
    .flatMap(({ path, subcommands }) =>
      subcommands.map((child) => {
        const patterns = child.names.map((name) => quote(`${path} ${name}`)).join(' ');
        return `      case ${patterns}\n        set path ${quote(child.path)}\n`;
      }),
    )
    .join('');
}

function flagArguments({ names, description, value }: CompletionFlag): string {
  const spelled = names.map((name) =>
    name.startsWith('--') ? `-l ${quote(name.slice(2))}` : `-s ${quote(name.slice(1))}`,
  );
  return [...spelled, '-d', quote(description), ...(value === undefined ? [] : valueArguments(value))].join(' ');
}

function valueArguments(value: Value): string[] {
  switch (value.kind) {
    case 'words':
      return ['-x', '-a', quote(value.words.join(' '))];
    case 'file':
      return ['-r', '-F'];
    case 'folder':
      return ['-x', '-a', quote('(__fish_complete_directories)')];
    default:
      return ['-x'];
  }
}

/** In fish's single quotes a backslash stands before a quote or a backslash. */
function quote(word: string): string {
  return `'${word.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
