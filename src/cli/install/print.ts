// What install and uninstall print, in istioctl's form.

import type { Problem } from '../../resources/problem.ts';
import { formatProblem } from '../../resources/problem.ts';
import type { InstanceProxy } from '../instance.ts';
import type { Io } from '../kubernetes/client.ts';
import { publishedPorts } from '../published-ports.ts';
import type { Terminal } from './confirm.ts';
import type { GatewayName } from './readiness.ts';

/** What the commands touch of the world outside. */
export interface InstallIo extends Io {
  readonly terminal: Terminal;
  /** Whether standard error, and standard output, may be coloured. */
  readonly color: boolean;
  readonly colorOut: boolean;
}

/** ANSI: dim, green and red text, where the stream is a terminal. */
export function painter(color: boolean): Record<'dim' | 'green' | 'red', (text: string) => string> {
  const paint = (code: string) => (text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { dim: paint('2'), green: paint('32'), red: paint('31') };
}

/** Problems on standard error. */
export function printProblems(problems: readonly Problem[], io: InstallIo): void {
  for (const problem of problems) io.stderr(`${formatProblem(problem, { color: io.color })}\n`);
}

/** Where gateways are reached. */
export function printPorts(gateways: readonly GatewayName[], proxies: readonly InstanceProxy[], io: InstallIo): void {
  const { dim } = painter(io.colorOut);
  const published = publishedPorts(proxies);
  for (const { namespace, name } of gateways) {
    const gateway = `${name}.${namespace}`;
    const ports = published.get(gateway) ?? [];
    io.stdout(`\n  ${gateway}${ports.length === 0 ? dim('  (no published ports)') : ''}\n`);
    for (const port of ports) io.stdout(`    ${port}\n`);
  }
}

/** `a`, `a and b`, `a, b and c` */
export function joined(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
