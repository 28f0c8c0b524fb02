// The log as people read it: one line an event on standard error, `time level message key=value`; JSON with --log-format json.

import type { DestinationStream, Logger } from 'pino';
import { pino } from 'pino';

/** How much is logged. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How a line looks. */
export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** Where and how to log. */
export interface LogOptions {
  level: LogLevel;
  format: LogFormat;
  /** ANSI colours in text lines. */
  color: boolean;
  /** Takes whole lines, newline included. */
  write: (line: string) => void;
}

/** A logger for a command. `name` (the part of the program) stands in each line. */
export function createLog(options: LogOptions): Logger {
  const destination: DestinationStream =
    options.format === 'json'
      ? { write: options.write }
      : { write: (line) => options.write(`${formatLine(line, options.color)}\n`) };
  return pino({ level: options.level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}

const LEVEL_NAMES: Record<number, [name: string, ansi: string]> = {
  10: ['trace', '2'],
  20: ['debug', '2'],
  30: ['info', '32'],
  40: ['warn', '33'],
  50: ['error', '31'],
  60: ['fatal', '31;1'],
};

/** One JSON log line as text: `12:03:04.120 info  push type=CDS resources=4`. A line that is not JSON stays as it is. */
export function formatLine(line: string, color: boolean): string {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line.trimEnd();
  }
  const { level, time, msg, err, ...fields } = record;
  const [name, ansi] = LEVEL_NAMES[level as number] ?? ['info', '32'];
  const paint = (code: string, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const parts = [paint('2', String(time).slice(11, 23)), paint(ansi, name.padEnd(5)), String(msg ?? '')];
  for (const [key, value] of Object.entries(fields)) parts.push(`${paint('2', `${key}=`)}${formatValue(value)}`);
  const reason = describeError(err);
  return parts.join(' ') + (reason === '' ? '' : `: ${reason}`);
}

/** A value on one line: bare where that is unambiguous, JSON otherwise (which also escapes control characters). */
function formatValue(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/|~*@+-]+$/.test(value) ? value : JSON.stringify(value);
}

function describeError(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { message, stack } = error as { message?: unknown; stack?: unknown };
  return typeof stack === 'string' && typeof message === 'string' && message === '' ? stack : String(message ?? '');
}
