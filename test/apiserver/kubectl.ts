// The real kubectl, for tests: its output, and its tables as rows.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Outcome } from '../walkthroughs/limen.ts';

/** All definitions described are some megabytes. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/** kubectl with a home of its own. */
export interface Kubectl {
  readonly environment: Readonly<Record<string, string>>;
  /** @param args one text is split at its spaces @param input what it reads */
  run(args: string | readonly string[], input?: string, more?: Record<string, string>): Promise<Outcome>;
  /** What it printed, where it went well. */
  ok(args: string | readonly string[], input?: string): Promise<string>;
  /** What it complained of, where it went wrong. */
  refused(args: string | readonly string[], input?: string): Promise<string>;
  /** What it printed as rows, cells by heading. */
  table(args: string): Promise<Record<string, string>[]>;
}

/**
 * @param home where it keeps its cache
 * @param kubeconfig leads to the server
 */
export function kubectlOf(home: string, kubeconfig = join(home, 'kubeconfig')): Kubectl {
  const environment = { PATH: process.env.PATH ?? '', HOME: home, KUBECONFIG: kubeconfig };

  const run: Kubectl['run'] = (args, input = '', more = {}) =>
    new Promise((resolve) => {
      const env = { ...environment, ...more };
      const words = typeof args === 'string' ? args.split(' ') : args;
      const child = execFile(
        'kubectl',
        words,
        { env, timeout: 25_000, maxBuffer: MAX_OUTPUT },
        (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
      );
      child.stdin?.on('error', () => undefined); // it may end without reading
      child.stdin?.end(input);
    });

  const ok: Kubectl['ok'] = async (args, input) => {
    const { code, stdout, stderr } = await run(args, input);
    expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' });
    return stdout;
  };

  return {
    environment,
    run,
    ok,
    async refused(args, input) {
      const { code, stdout, stderr } = await run(args, input);
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' });
      return stderr;
    },
    async table(args) {
      const [heading = '', ...lines] = (await ok(args)).trimEnd().split('\n');
      const names = heading.trim().split(/\s{2,}|\t/);
      return lines.map((line) =>
        Object.fromEntries(
          line
            .trim()
            .split(/\s{2,}/)
            .map((cell, index) => [names[index], cell]),
        ),
      );
    },
  };
}
