// Times as `%START_TIME(…)%` prints them: strftime conversions with Envoy's sub-second extensions, always in UTC.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage (START_TIME)

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

type Part = string | ((date: Date) => string);

const two = (value: number) => String(value).padStart(2, '0');
const spaced = (value: number) => String(value).padStart(2, ' ');
/** The clock is read in milliseconds; finer digits are zeros. */
const fraction = (digits: number) => (date: Date) =>
  String(date.getUTCMilliseconds()).padStart(3, '0').padEnd(9, '0').slice(0, digits);
const dayOfYear = (date: Date) =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  ) + 1;
const hour12 = (date: Date) => date.getUTCHours() % 12 || 12;

const CONVERSIONS: Readonly<Record<string, Part>> = {
  Y: (date) => String(date.getUTCFullYear()),
  C: (date) => two(Math.floor(date.getUTCFullYear() / 100)),
  y: (date) => two(date.getUTCFullYear() % 100),
  m: (date) => two(date.getUTCMonth() + 1),
  d: (date) => two(date.getUTCDate()),
  e: (date) => spaced(date.getUTCDate()),
  j: (date) => String(dayOfYear(date)).padStart(3, '0'),
  H: (date) => two(date.getUTCHours()),
  I: (date) => two(hour12(date)),
  M: (date) => two(date.getUTCMinutes()),
  S: (date) => two(date.getUTCSeconds()),
  p: (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM'),
  a: (date) => DAYS[date.getUTCDay()]!.slice(0, 3),
  A: (date) => DAYS[date.getUTCDay()]!,
  b: (date) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  h: (date) => MONTHS[date.getUTCMonth()]!.slice(0, 3),
  B: (date) => MONTHS[date.getUTCMonth()]!,
  u: (date) => String(date.getUTCDay() || 7),
  w: (date) => String(date.getUTCDay()),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  f: fraction(9),
  z: '+0000',
  Z: 'UTC',
  n: '\n',
  t: '\t',
  '%': '%',
};

/** Conversions that stand for several. */
const COMPOSITES: Readonly<Record<string, string>> = {
  F: '%Y-%m-%d',
  T: '%H:%M:%S',
  R: '%H:%M',
  r: '%I:%M:%S %p',
  D: '%m/%d/%y',
  x: '%m/%d/%y',
  X: '%H:%M:%S',
  c: '%a %b %e %H:%M:%S %Y',
};

/**
 * @param format strftime conversions, `%f` and `%1f`…`%9f` for fractions of a second, and `%E4f`, `%E4S`, `%E*S`, `%Ez` and `%ET`;
 *   a conversion nobody knows stays as it is written. '' for the default, `2006-01-02T15:04:05.000Z`.
 * @returns milliseconds since the epoch → text. The text of the last millisecond is kept: requests come in crowds.
 */
export function compileTimeFormat(format: string): (ms: number) => string {
  const parts = format === '' ? undefined : compile(format);
  let lastMs = Number.NaN;
  let lastText = '';
  return (ms) => {
    if (ms !== lastMs) {
      const date = new Date(ms);
      lastText = parts === undefined ? date.toISOString() : render(parts, date);
      lastMs = ms;
    }
    return lastText;
  };
}

function render(parts: readonly Part[], date: Date): string {
  let text = '';
  for (const part of parts) text += typeof part === 'string' ? part : part(date);
  return text;
}

function compile(format: string): Part[] {
  const parts: Part[] = [];
  // Longest first: `%E4f`, `%4f`, then one letter.
  const conversion = /%(?:E(\*|\d)([fS])|E(z|T)|(\d)f|([A-Za-z%]))/g;
  let position = 0;
  for (const match of format.matchAll(conversion)) {
    parts.push(format.slice(position, match.index));
    position = match.index + match[0].length;
    const [text, extendedDigits, extended, extendedName, digits, letter] = match;
    if (extendedDigits !== undefined) {
      const part = fraction(extendedDigits === '*' ? 3 : Number(extendedDigits));
      if (extended === 'S') parts.push(CONVERSIONS.S!, '.');
      parts.push(part);
    } else if (extendedName !== undefined) parts.push(extendedName === 'z' ? '+00:00' : 'T');
    else if (digits !== undefined) parts.push(fraction(Number(digits)));
    else if (COMPOSITES[letter!] !== undefined) parts.push(...compile(COMPOSITES[letter!]!));
    else parts.push(CONVERSIONS[letter!] ?? text);
  }
  parts.push(format.slice(position));
  return parts.filter((part) => part !== '');
}
