// How kubectl writes ages: `42s`, `5m12s`, `3h`, `12d`, `2y40d`.
// https://pkg.go.dev/k8s.io/apimachinery/pkg/util/duration#HumanDuration

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** A length of time with two or three digits of precision. @param milliseconds below zero by little (clocks differ): `0s` */
export function humanDuration(milliseconds: number): string {
  const whole = (unit: number, of = milliseconds) => Math.floor(of / unit);
  const rest = (large: number, small: number) => whole(small, milliseconds % large);
  const pair = (large: number, one: string, small: number, two: string) => {
    const remainder = rest(large, small);
    return `${whole(large)}${one}${remainder === 0 ? '' : `${remainder}${two}`}`;
  };
  if (milliseconds < -2 * SECOND) return '<invalid>';
  if (milliseconds < 0) return '0s';
  if (milliseconds < 2 * MINUTE) return `${whole(SECOND)}s`;
  if (milliseconds < 10 * MINUTE) return pair(MINUTE, 'm', SECOND, 's');
  if (milliseconds < 3 * HOUR) return `${whole(MINUTE)}m`;
  if (milliseconds < 8 * HOUR) return pair(HOUR, 'h', MINUTE, 'm');
  if (milliseconds < 2 * DAY) return `${whole(HOUR)}h`;
  if (milliseconds < 8 * DAY) return pair(DAY, 'd', HOUR, 'h');
  if (milliseconds < 2 * YEAR) return `${whole(DAY)}d`;
  if (milliseconds < 8 * YEAR) return pair(YEAR, 'y', DAY, 'd');
  return `${whole(YEAR)}y`;
}

/** The age of a timestamp (RFC 3339); `<unknown>` where there is none. */
export function ageOf(timestamp: string | undefined, now: Date): string {
  const time = timestamp === undefined ? Number.NaN : Date.parse(timestamp);
  return Number.isNaN(time) ? '<unknown>' : humanDuration(now.getTime() - time);
}
