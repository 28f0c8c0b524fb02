// Completion for bash, from 3.2 (macOS) on: no associative arrays, no bash-completion package.

import { quote, valueFlagPatterns, walkBranches } from './shell.ts';
import type { CompletionCommand, Value } from './tree.ts';

/** The script. It defines one function and binds it to the program's name. */
export function bashScript(commands: readonly CompletionCommand[]): string {
  const name = commands[0]?.path ?? 'limen';
  return `# bash completion for ${name}
_${name}_complete() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at=${quote(name)} flag= word i words= flags=
  COMPREPLY=()
  # Follow the finished words: which command is this, and is the next word the value of a flag?
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    [[ $word == = ]] && continue # bash splits --flag=value in three
    if [[ -n $flag ]]; then flag=; continue; fi
    case "$at $word" in
      ${valueFlagPatterns(commands)}) flag=$word ;;
${walkBranches(commands, '      ')}    esac
  done
  [[ $cur == = ]] && cur=
  if [[ -n $flag ]]; then
    case "$at $flag" in
${valueBranches(commands)}    esac
    return
  fi
  case $at in
${commandBranches(commands)}  esac
  if [[ $cur == -* ]]; then words=$flags; fi
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _${name}_complete ${name}
`;
}

function valueBranches(commands: readonly CompletionCommand[]): string {
  return commands
    .flatMap(({ path, flags }) =>
      flags.map(({ names, value }) => {
        const action = value === undefined ? undefined : valueAction(value);
        return action === undefined
          ? ''
          : `      ${names.map((name) => quote(`${path} ${name}`)).join('|')}) ${action} ;;\n`;
      }),
    )
    .join('');
}

function valueAction(value: Value): string | undefined {
  switch (value.kind) {
    case 'words':
      return `COMPREPLY=($(compgen -W ${quote(value.words.join(' '))} -- "$cur"))`;
    // A name a line, for those with spaces. compopt is not in bash 3.2; without it a folder is completed without its slash.
    case 'file':
      return `compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$cur"))`;
    case 'folder':
      return `compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -d -- "$cur"))`;
    default:
      return undefined;
  }
}

function commandBranches(commands: readonly CompletionCommand[]): string {
  return commands
    .map(({ path, subcommands, flags, argument }) => {
      // Aliases are typed, not looked up: they would only crowd the list.
      const names = subcommands.map((child) => child.names[0] ?? '');
      const words = argument?.kind === 'words' ? [...names, ...argument.words] : names;
      const flagNames = flags.flatMap((flag) => flag.names);
      return `    ${quote(path)}) words=${quote(words.join(' '))} flags=${quote(flagNames.join(' '))} ;;\n`;
    })
    .join('');
}
