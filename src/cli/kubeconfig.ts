// `limen kubeconfig`: prints the kubeconfig of the running instance, for `limen kubeconfig > file` or a merge with one's own.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { limenHome, readInstance } from './instance.ts';
import { kubeconfigFile } from './kubeconfig-file.ts';

/** What the command needs of its process. */
interface Io {
  stdout: (text: string) => void;
  env: Readonly<Record<string, string | undefined>>;
}

/** Adds the command. */
export function registerKubeconfig(program: Command, io: Io): void {
  program
    .command('kubeconfig')
    .description('print the kubeconfig of the running instance')
    .option('--home <dir>', 'the home of the instance (default: $LIMEN_HOME or ~/.limen)')
    .addHelpText('after', '\nExample:\n  limen kubeconfig > ~/.kube/limen && export KUBECONFIG=~/.kube/limen')
    .action(({ home: flag }: { home?: string }) => {
      const home = limenHome(io.env, flag);
      readInstance(home); // throws where nothing runs
      io.stdout(readFileSync(kubeconfigFile(home), 'utf8'));
    });
}
