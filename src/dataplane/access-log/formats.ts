// A format of the configuration as a function from a record to a line: text, or JSON with its types kept.

import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { ConfigError } from '../connection.ts';
import type { StreamInfo } from '../stream-info.ts';
import { parseFormatString } from './format-string.ts';
import { compileOperator, type Operator } from './operators.ts';

/** The whole text of one entry, with its newline where the format gives one. */
export type LineFormat = (info: StreamInfo) => string;

/** What Envoy writes where the configuration names no format. */
export const DEFAULT_TEXT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/**
 * @param omitEmpty write nothing for an absent value, not `-`
 * @throws ConfigError for a format string that Envoy would refuse
 */
export function compileTextFormat(format: string, omitEmpty: boolean): LineFormat {
  const parts = parseFormatString(format).map((part) => (typeof part === 'string' ? part : compileOperator(part)));
  const absent = omitEmpty ? '' : '-';
  return (info) => {
    let line = '';
    for (const part of parts) line += typeof part === 'string' ? part : (part(info) ?? absent);
    return line;
  };
}

/** One value of a JSON format, rendered; undefined where it is to be left out. */
type JsonPart = (info: StreamInfo) => string | undefined;

/** A Struct nests as deep as its sender likes; the stack does not. */
const MAX_DEPTH = 32;

/**
 * A dictionary as one line of JSON with sorted keys. A string that is exactly one operator keeps the operator's type (a number stays a number,
 * an absent value is null); a mixed string is a string with `-` for what is absent.
 *
 * @param omitEmpty leave absent values and nulls out, and the objects they leave empty
 * @throws ConfigError naming the field whose format string is wrong
 */
export function compileJsonFormat(format: JsonObject, omitEmpty: boolean): LineFormat {
  const render = compileObject(format, omitEmpty, 'json_format', 0);
  return (info) => `${render(info) ?? '{}'}\n`;
}

function compileValue(value: JsonValue, omitEmpty: boolean, path: string, depth: number): JsonPart {
  if (depth > MAX_DEPTH) throw new ConfigError(`access log ${path}: nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === 'string') return compileString(value, omitEmpty, path);
  if (Array.isArray(value)) return compileList(value, omitEmpty, path, depth);
  if (typeof value === 'object' && value !== null) return compileObject(value, omitEmpty, path, depth);
  const json = JSON.stringify(value);
  const result = value === null && omitEmpty ? undefined : json;
  return () => result;
}

function compileObject(object: JsonObject, omitEmpty: boolean, path: string, depth: number): JsonPart {
  const fields = Object.keys(object)
    .sort()
    .map((key) => ({
      key: `${JSON.stringify(key)}:`,
      render: compileValue(object[key]!, omitEmpty, `${path}.${key}`, depth + 1),
    }));
  return (info) => {
    let json = '';
    for (const { key, render } of fields) {
      const value = render(info);
      if (value !== undefined) json += json === '' ? key + value : `,${key}${value}`;
    }
    return json === '' && omitEmpty ? undefined : `{${json}}`;
  };
}

function compileList(list: readonly JsonValue[], omitEmpty: boolean, path: string, depth: number): JsonPart {
  const items = list.map((item, index) => compileValue(item, omitEmpty, `${path}[${index}]`, depth + 1));
  return (info) => {
    const values: string[] = [];
    for (const render of items) {
      const value = render(info);
      if (value !== undefined) values.push(value);
    }
    // Unlike an object, a list that lost all its items stays (Envoy 1.40).
    return `[${values.join(',')}]`;
  };
}

function compileString(format: string, omitEmpty: boolean, path: string): JsonPart {
  let parts: (string | Operator)[];
  try {
    parts = parseFormatString(format).map((part) => (typeof part === 'string' ? part : compileOperator(part)));
  } catch (error) {
    throw error instanceof ConfigError ? new ConfigError(`${path}: ${error.message}`) : error;
  }
  const only = parts[0];
  if (parts.length === 1 && typeof only === 'function') {
    const absent = omitEmpty ? undefined : 'null';
    return (info) => {
      const value = only(info);
      if (value === undefined) return absent;
      return typeof value === 'number' ? String(value) : quote(value);
    };
  }
  if (parts.every((part) => typeof part === 'string')) {
    const constant = JSON.stringify(parts.join(''));
    return () => constant;
  }
  const absent = omitEmpty ? '' : '-';
  return (info) => {
    let text = '';
    for (const part of parts) text += typeof part === 'string' ? part : (part(info) ?? absent);
    return quote(text);
  };
}

const NEEDS_ESCAPE = /["\\\u0000-\u001f\ud800-\udfff]/;

/** JSON.stringify, with a shortcut for the strings that need no escape: nearly all. */
function quote(text: string): string {
  return NEEDS_ESCAPE.test(text) ? JSON.stringify(text) : `"${text}"`;
}
