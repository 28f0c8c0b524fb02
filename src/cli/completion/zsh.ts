// Completion for zsh: as a file `_limen` in $fpath, or sourced after compinit.

import { quote, valueFlagPatterns, walkBranches } from './shell.ts';
import type { CompletionCommand, Value } from './tree.ts';

/** The script. It defines one function that zsh's completion system calls. */
export function zshScript(commands: readonly CompletionCommand[]): string {
  const name = commands[0]?.path ?? 'limen';
  return `#compdef ${name}
_${name}() {
  local at=${quote(name)} flag= word
  local -a commands flags
  local -i i
  # Follow the finished words: which command is this, and is the next word the value of a flag?
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ -n $flag ]]; then flag=; continue; fi
    case "$at $word" in
      ${valueFlagPatterns(commands)}) flag=$word ;;
${walkBranches(commands, '      ')}    esac
  done
  if [[ -z $flag && \${words[CURRENT]} == --*=* ]] && compset -P '*='; then flag=\${words[CURRENT]%%=*}; fi
  if [[ -n $flag ]]; then
    case "$at $flag" in
${valueBranches(commands)}    esac
    return
  fi
  case $at in
${commandBranches(commands)}  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -t options flag flags
  else
    _describe -t commands command commands
  fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
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
      return `compadd -- ${value.words.map(quote).join(' ')}`;
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    default:
      return undefined;
  }
}

function commandBranches(commands: readonly CompletionCommand[]): string {
  return commands
    .map(({ path, subcommands, flags, argument }) => {
      const names = subcommands.map((child) => described(child.names[0] ?? '', child.description));
      const words = argument?.kind === 'words' ? argument.words.map((word) => described(word, '')) : [];
      const flagNames = flags.flatMap((flag) => flag.names.map((name) => described(name, flag.description)));
      return `    ${quote(path)}) commands=(${[...names, ...words].join(' ')}) flags=(${flagNames.join(' ')}) ;;\n`;
    })
    .join('');
}

/** `name:description`, as _describe wants it; a colon in the name is escaped. */
function described(name: string, description: string): string {
  const escaped = name.replaceAll(':', '\\:');
  return quote(description === '' ? escaped : `${escaped}:${description}`);
}
