// Envoy's log as part of ours: the flags that make its lines easy to read, and the reading.

import type { Logger } from 'pino';
import type { LogLevel } from '../log.ts';

/**
 * Envoy's flags for a level of ours. Its `info` tells a page of build details at each start, which is `debug` to whoever runs a gateway; what
 * configuration it took is in our own log of pushes.
 */
export function logFlags(level: LogLevel): string[] {
  const own = { debug: 'info', info: 'warning', warn: 'warning', error: 'error' }[level];
  // Escaped: a message of several lines stays one line.
  return ['--log-level', own, '--log-format', '[%l][%n] %v', '--log-format-escaped'];
}

/** A line of Envoy's log. */
export interface EnvoyLogLine {
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  /** Envoy's name for the part of it that speaks: `main`, `config`, `upstream`. */
  component: string;
  message: string;
}

const LEVELS: Readonly<Record<string, EnvoyLogLine['level']>> = {
  trace: 'trace',
  debug: 'debug',
  info: 'info',
  warning: 'warn',
  warn: 'warn',
  error: 'error',
  critical: 'fatal',
};

/** Reads a line; undefined for one that is not Envoy's log (an access log on standard error, words of the program loader). */
export function parseLogLine(line: string): EnvoyLogLine | undefined {
  const match = /^\[(\w+)\]\[([\w-]+)\] (.*)$/s.exec(line);
  const level = LEVELS[match?.[1] ?? ''];
  if (match === null || level === undefined) return undefined;
  const message = readable(match[3] as string).trimEnd();
  // We sent it.
  return { level: /^caught ENVOY_SIGTERM/.test(message) ? 'debug' : level, component: match[2] as string, message };
}

/** Hands lines to a logger; those that are not Envoy's log go on as they are. */
export function logLine(line: string, log: Logger, passOn: (line: string) => void): void {
  const parsed = parseLogLine(line);
  if (parsed === undefined) passOn(`${line}\n`);
  else log[parsed.level]({ envoy: parsed.component }, parsed.message);
}

/** Undoes `--log-format-escaped` (C escapes) where it only makes a line hard to read; control characters stay escaped. */
function readable(text: string): string {
  return text.replace(/\\(["'\\n])/g, (_, char: string) => (char === 'n' ? ' ' : char));
}
