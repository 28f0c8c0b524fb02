// `limen completion bash|zsh|fish`: a script for the shell, made from the tree of commands.

import { Argument, type Command } from 'commander';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

const WRITERS = {
  bash: async () => (await import('./completion/bash.ts')).bashScript,
  zsh: async () => (await import('./completion/zsh.ts')).zshScript,
  fish: async () => (await import('./completion/fish.ts')).fishScript,
};

/** Adds `completion` to the command line. What it prints covers the commands that are registered when it is called. */
export function registerCompletion(
  program: Command,
  stdout: (text: string) => void = (text) => void process.stdout.write(text),
): void {
  program
    .command('completion')
    .description('print a script that completes limen in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  source <(limen completion bash)                                  # this terminal; or add the line to ~/.bashrc
  limen completion zsh > "\${fpath[1]}/_limen"                       # zsh with compinit, from the next start on
  limen completion fish > ~/.config/fish/completions/limen.fish`,
    )
    .action(async (shell: Shell) => {
      const { completionTree } = await import('./completion/tree.ts');
      stdout((await WRITERS[shell]())(completionTree(program)));
    });
}
