// Header mutations of routes, virtual hosts and route configurations, compiled.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#custom-request-response-headers

import {
  type HeaderValueOption,
  HeaderValueOption_HeaderAppendAction,
} from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { compileTextFormat } from '../access-log/formats.ts';
import { ConfigError } from '../connection.ts';
import type { HeaderList } from '../http/header-list.ts';
import { KNOWN_NAMES, knownBits } from '../http/header-names.ts';
import type { StreamInfo } from '../stream-info.ts';

interface Addition {
  readonly name: string;
  /** What the name means to the proxy, for the list's `seen`. */
  readonly bits: number;
  /** undefined: the value is formatted per request. */
  readonly literal: string | undefined;
  readonly format: ((info: StreamInfo) => string) | undefined;
  readonly action: HeaderValueOption_HeaderAppendAction;
  readonly keepEmpty: boolean;
}

/** What one level does to the headers of a message. */
export interface HeaderMutation {
  readonly remove: readonly string[];
  readonly add: readonly Addition[];
  /** Known bits of what is added. */
  readonly bits: number;
}

/** @returns undefined where there is nothing to do. @throws ConfigError naming `field` */
export function compileHeaderMutation(
  add: readonly HeaderValueOption[],
  remove: readonly string[],
  field: string,
): HeaderMutation | undefined {
  if (add.length === 0 && remove.length === 0) return undefined;
  const additions = add.map((option, index) => compileAddition(option, `${field}_to_add[${index}]`));
  return {
    remove: remove.map((name) => mutableName(name, `${field}_to_remove`)),
    add: additions,
    bits: knownBits(additions.map(({ name }) => name)),
  };
}

function compileAddition(option: HeaderValueOption, field: string): Addition {
  const { header } = option;
  if (header === undefined) throw new ConfigError(`${field}.header: expected a key and a value, got nothing`);
  const value = header.rawValue.length > 0 ? Buffer.from(header.rawValue).toString('latin1') : header.value;
  if (/[\r\n\0]/.test(value)) throw new ConfigError(`${field}.header.value: CR, LF and NUL cannot stand in a header`);
  const formatted = value.includes('%');
  // The older `append: false` means overwrite.
  const action =
    option.append === false ? HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD : option.appendAction;
  const name = mutableName(header.key, `${field}.header.key`);
  return {
    name,
    bits: KNOWN_NAMES.get(name)?.bits ?? 0,
    literal: formatted ? undefined : value,
    format: formatted ? compileFormat(value, `${field}.header.value`) : undefined,
    action,
    keepEmpty: option.keepEmptyValue,
  };
}

/** Applies a mutation: removals first, then additions in order, as Envoy does. */
export function applyHeaderMutation(mutation: HeaderMutation, headers: HeaderList, info: StreamInfo): void {
  headers.seen |= mutation.bits;
  for (const name of mutation.remove) headers.remove(name);
  for (const addition of mutation.add) {
    const { name } = addition;
    const value = addition.literal ?? clean(addition.format!(info));
    if (value === '' && !addition.keepEmpty) continue;
    headers.seen |= addition.bits;
    switch (addition.action) {
      case HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD:
        headers.add(name, value);
        break;
      case HeaderValueOption_HeaderAppendAction.ADD_IF_ABSENT:
        if (!headers.has(name)) headers.add(name, value);
        break;
      case HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS:
        if (!headers.has(name)) break;
        headers.remove(name);
        headers.add(name, value);
        break;
      default:
        headers.remove(name);
        headers.add(name, value);
    }
  }
}

function mutableName(key: string, field: string): string {
  const name = key.toLowerCase();
  if (name === '' || /[^!#$%&'*+\-.^_`|~0-9a-z]/.test(name) || name === 'host') {
    // Framing and routing would come apart; host_rewrite is the way to another authority.
    throw new ConfigError(
      `${field}: "${key}" cannot be changed; expected a header name other than host and pseudo-headers`,
    );
  }
  return name;
}

function compileFormat(value: string, field: string): (info: StreamInfo) => string {
  try {
    return compileTextFormat(value, true);
  } catch (error) {
    throw new ConfigError(`${field}: ${(error as Error).message}`);
  }
}

// Values of a request can end up here (`%REQ(x)%`); they were checked when parsed, but a formatter may end its line.
function clean(value: string): string {
  return /[\r\n\0]/.test(value) ? value.replace(/[\r\n\0]+$/, '').replace(/[\r\n\0]/g, ' ') : value;
}
