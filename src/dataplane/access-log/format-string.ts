// Splits an access log format string into literals and command operators, once, when configuration arrives.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#format-strings

import { ConfigError } from '../connection.ts';

/** One `%COMMAND(PARAMETER):LENGTH%`. */
export interface Command {
  readonly name: string;
  /** What stands between the parentheses; '' where there are none. */
  readonly parameter: string;
  /** What stands after the colon. */
  readonly maxLength: number | undefined;
  /** The operator as it is written, for messages. */
  readonly text: string;
}

/** A length is a 64-bit number in Envoy. */
const MAX_LENGTH_DIGITS = 18;

/** A piece of a format string, in order. */
export type Segment = string | Command;

/**
 * @param format a format string; `%%` stands for one percent sign
 * @returns its pieces; neighbouring literals are one
 * @throws ConfigError with the position of a percent sign that starts no command operator
 */
export function parseFormatString(format: string): Segment[] {
  const segments: Segment[] = [];
  let literal = '';
  let position = 0;
  while (position < format.length) {
    const percent = format.indexOf('%', position);
    if (percent === -1) {
      literal += format.slice(position);
      break;
    }
    literal += format.slice(position, percent);
    if (format[percent + 1] === '%') {
      literal += '%';
      position = percent + 2;
      continue;
    }
    const command = readCommand(format, percent);
    if (literal !== '') segments.push(literal);
    literal = '';
    segments.push(command);
    position = percent + command.text.length;
  }
  if (literal !== '') segments.push(literal);
  return segments;
}

/** Reads the operator that starts at `start`. The parameter may hold percent signs (`START_TIME(%s)`), but no closing parenthesis. */
function readCommand(format: string, start: number): Command {
  let end = start + 1;
  while (end < format.length && isNameCharacter(format.charCodeAt(end))) end += 1;
  const name = format.slice(start + 1, end);
  let parameter = '';
  if (name !== '' && format[end] === '(') {
    const close = format.indexOf(')', end);
    if (close === -1) throw malformed(format, start);
    parameter = format.slice(end + 1, close);
    if (parameter.includes('\n')) throw malformed(format, start);
    end = close + 1;
  }
  let maxLength: number | undefined;
  if (name !== '' && format[end] === ':') {
    const digits = end + 1;
    end = digits;
    while (end < format.length && isDigit(format.charCodeAt(end))) end += 1;
    if (end === digits || end - digits > MAX_LENGTH_DIGITS) throw malformed(format, start);
    maxLength = Number(format.slice(digits, end));
  }
  if (name === '' || format[end] !== '%') throw malformed(format, start);
  return { name, parameter, maxLength, text: format.slice(start, end + 1) };
}

function malformed(format: string, position: number): ConfigError {
  return new ConfigError(
    `access log format ${JSON.stringify(shorten(format))}: no valid command operator at position ${position}; expected %COMMAND%, %COMMAND(PARAMETER)% or %COMMAND(PARAMETER):LENGTH%, and %% for a percent sign`,
  );
}

/** A format string of configuration can be long; a message need not be. */
function shorten(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`;
}

function isNameCharacter(code: number): boolean {
  return (code >= 0x41 && code <= 0x5a) || code === 0x5f || isDigit(code);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
