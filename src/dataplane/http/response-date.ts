// The Date header's value, made once a second. RFC 9110 section 6.6.1

let second = -1;
let text = '';

/** @param now milliseconds since the epoch */
export function httpDate(now: number): string {
  const current = Math.floor(now / 1000);
  if (current !== second) {
    second = current;
    text = new Date(now).toUTCString();
  }
  return text;
}
