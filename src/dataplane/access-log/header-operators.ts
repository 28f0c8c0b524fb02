// `%REQ(X?Y):Z%` and `%RESP(X?Y):Z%`: a header, or another where it is absent, cut to a length.

import { ConfigError } from '../connection.ts';
import type { StreamInfo } from '../stream-info.ts';
import type { Command } from './format-string.ts';

type HeaderValue = (info: StreamInfo) => string | undefined;

/** Token characters of RFC 9110 section 5.6.2, lower-cased, with the colon of a pseudo-header. */
const HEADER_NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/**
 * @param command its parameter is one header name or two with a question mark between
 * @throws ConfigError for more than one alternative and for a name that no header can have
 */
export function compileHeaderOperator(command: Command, from: 'request' | 'response' | 'trailer'): HeaderValue {
  const names = command.parameter.toLowerCase().split('?');
  if (names.length > 2)
    throw new ConfigError(`access log format: ${command.text}: more than 1 alternative header specified`);
  for (const name of names)
    if (name !== '' && !HEADER_NAME.test(name))
      throw new ConfigError(`access log format: ${command.text}: ${JSON.stringify(name)} is not a header name`);
  // The proxy passes trailers through without looking at them.
  if (from === 'trailer') return () => undefined;
  const [first, second] = names.map(from === 'request' ? requestValue : responseValue);
  const read: HeaderValue = second === undefined ? first! : (info) => first!(info) ?? second(info);
  const max = command.maxLength;
  return (info) => {
    const value = read(info);
    if (value === undefined) return undefined;
    const text = UNUSUAL.test(value) ? printable(value) : value;
    return max !== undefined && text.length > max ? text.slice(0, max) : text;
  };
}

function requestValue(name: string): HeaderValue {
  switch (name) {
    case ':method':
      return (info) => info.method || undefined;
    case ':path':
      return (info) => info.path || undefined;
    case ':scheme':
      return (info) => info.requestHeader(':scheme') ?? info.requestHeader('x-forwarded-proto');
    case 'x-envoy-original-path': // there only after a rewrite
      return (info) =>
        info.originalPath !== '' && info.originalPath !== info.path
          ? info.originalPath
          : info.requestHeader('x-envoy-original-path');
    case '': // `REQ(?X)` is allowed and means X
      return () => undefined;
    default:
      return (info) => info.requestHeader(name);
  }
}

function responseValue(name: string): HeaderValue {
  if (name === ':status') return (info) => (info.responseCode === 0 ? undefined : String(info.responseCode));
  return name === '' ? () => undefined : (info) => info.responseHeader(name);
}

const UNUSUAL = /[\u0000-\u0008\u000a-\u001f\u007f-\uffff]/;

/**
 * Bytes above 127 were read one to a character and are put together again as UTF-8, so that a line shows what was sent. A control character cannot
 * come through the codec; should one, it must not start a line of its own (log injection): `\x0a`.
 */
function printable(value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  const text = bytes.toString('latin1') === value ? bytes.toString('utf8') : value;
  return text.replaceAll(
    /[\u0000-\u0008\u000a-\u001f\u007f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}
