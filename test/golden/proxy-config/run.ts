// Runs one command line of the registered commands in this process, and hands back what it printed.

import { Command, CommanderError } from 'commander';
import { registerProxyConfig } from '../../../src/cli/proxy-config/command.ts';
import { registerVersion } from '../../../src/cli/version.ts';

/** What a command left. */
export interface Outcome {
  stdout: string;
  stderr: string;
  /** The message for the user, where it failed. */
  error: string | undefined;
}

/** Runs `limen ARGS`. */
export async function run(args: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const outcome: Outcome = { stdout: '', stderr: '', error: undefined };
  const stdout = (text: string) => {
    outcome.stdout += text;
  };
  const stderr = (text: string) => {
    outcome.stderr += text;
  };
  const program = new Command('limen').exitOverride().configureOutput({ writeOut: stdout, writeErr: stderr });
  const io = { stdout, stderr, env, fetch: globalThis.fetch };
  registerProxyConfig(program, io);
  registerVersion(program, io);
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError && error.exitCode === 0)) outcome.error = (error as Error).message;
  }
  return outcome;
}
