// What is wrong with configuration, where, and what to do: one type for every check, and how it is printed.

/** Something wrong (`error`: refused) or questionable (`warning`: served all the same) in a configuration file. */
export interface Problem {
  severity: 'error' | 'warning';
  file: string;
  /** Counted from 1; 0 when the problem is the file itself. */
  line: number;
  /** Counted from 1; 0 when the problem is the file itself. */
  column: number;
  /** `Kind namespace/name`. */
  object?: string;
  /** `spec.servers[0].port.number`. */
  field?: string;
  message: string;
  /** What to do about it. */
  hint?: string;
  /** The line of the file at which it points. */
  source?: string;
  /** A warning of something that is served and yet works for nobody: `validate` counts it as an error. */
  broken?: true;
}

/** `file:line:column: error: Gateway default/gw: spec.servers[0].port.number: message`, on one line. */
export function describeProblem(problem: Problem): string {
  return `${position(problem)}: ${problem.severity}: ${subject(problem)}${problem.message}`;
}

/** A problem as several lines for a terminal: where and what, the line of the file with a caret, the hint. No newline at the end. */
export function formatProblem(problem: Problem, options: { color: boolean }): string {
  const paint = (code: string, text: string) => (options.color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const severity = paint(problem.severity === 'error' ? '1;31' : '1;33', `${problem.severity}:`);
  const lines = [`${paint('1', `${position(problem)}:`)} ${severity} ${subject(problem)}${printable(problem.message)}`];
  if (problem.source !== undefined) {
    const { text, caret } = excerpt(problem.source, problem.column);
    const number = String(problem.line);
    lines.push(paint('2', ` ${number} | `) + text);
    lines.push(`${paint('2', ` ${' '.repeat(number.length)} | `)}${' '.repeat(caret)}${paint('1;32', '^')}`);
  }
  if (problem.hint !== undefined) lines.push(`  ${paint('36', 'hint:')} ${printable(problem.hint)}`);
  return lines.join('\n');
}

function position({ file, line, column }: Problem): string {
  return line === 0 ? file : `${file}:${line}:${column}`;
}

function subject({ object, field }: Problem): string {
  return `${object === undefined ? '' : `${object}: `}${field === undefined || field === '' ? '' : `${field}: `}`;
}

/** What of a line is shown: long lines (JSON on one line) are cut around the column. */
const EXCERPT_WIDTH = 110;

function excerpt(source: string, column: number): { text: string; caret: number } {
  const text = printable(source);
  const at = Math.min(Math.max(column - 1, 0), text.length);
  if (text.length <= EXCERPT_WIDTH) return { text, caret: at };
  const start = Math.max(0, Math.min(at - EXCERPT_WIDTH / 2, text.length - EXCERPT_WIDTH));
  const end = start + EXCERPT_WIDTH;
  const lead = start > 0 ? '…' : '';
  return {
    text: `${lead}${text.slice(start + lead.length, end)}${end < text.length ? '…' : ''}`,
    caret: at - start,
  };
}

/** Configuration may come from strangers: control characters must not reach a terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => (character === '\t' ? ' ' : '\ufffd'));
}
