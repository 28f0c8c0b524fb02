// Takes hop-by-hop headers off a message. RFC 9110 section 7.6.1

import type { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';

// Envoy's bound on how many headers Connection may name.
const MAX_NOMINATED = 10;

/** Names that Connection cannot make hop-by-hop: removing them would let a client unsay who it is. */
const PROTECTED: ReadonlySet<string> = new Set([
  'host',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'content-length',
  'transfer-encoding',
]);

/** What the Connection header of a message said. */
export interface ConnectionOptions {
  readonly close: boolean;
  readonly keepAlive: boolean;
  readonly upgrade: boolean;
  /** It names what it must not, or too much. */
  readonly invalid: boolean;
}

const NO_OPTIONS: ConnectionOptions = { close: false, keepAlive: false, upgrade: false, invalid: false };

/** Whether Connection names an option, given in lower case. */
export function hasConnectionOption(headers: HeaderList, option: string): boolean {
  const value = headers.get('connection') ?? '';
  return value
    .toLowerCase()
    .split(',')
    .some((each) => each.trim() === option);
}

/**
 * Removes Connection, the headers it names, and those that are always hop-by-hop. Upgrade itself stays in the list.
 *
 * @param isRequest a request may keep `te: trailers`; a `proxy-connection: close` counts as Connection there (Envoy)
 */
export function removeHopByHop(headers: HeaderList, isRequest: boolean): ConnectionOptions {
  const { seen } = headers;
  if ((seen & (Known.Connection | Known.HopByHop)) === 0) return NO_OPTIONS;
  let close = false;
  let keepAlive = false;
  let upgrade = false;
  let invalid = false;
  if ((seen & Known.Connection) !== 0) {
    const value = headers.get('connection') ?? '';
    headers.remove('connection');
    // By far the most frequent values, without splitting.
    if (value === 'keep-alive' || value === 'Keep-Alive') keepAlive = true;
    else if (value === 'close') close = true;
    else {
      const options = value.toLowerCase().split(',');
      if (options.length > MAX_NOMINATED) invalid = true;
      for (const option of options) {
        const name = option.trim();
        if (name === 'close') close = true;
        else if (name === 'keep-alive') keepAlive = true;
        else if (name === 'upgrade') upgrade = true;
        else if (PROTECTED.has(name) || name.startsWith(':')) invalid = true;
        else if (name !== '' && name !== 'te') headers.remove(name);
      }
    }
  }
  if ((seen & Known.HopByHop) !== 0) {
    if (isRequest && (headers.get('proxy-connection') ?? '').toLowerCase() === 'close') close = true;
    headers.remove('keep-alive');
    headers.remove('proxy-connection');
    const te = headers.get('te');
    if (te !== undefined) {
      // Trailers can be passed on; transfer codings are between two neighbours.
      const trailers =
        isRequest &&
        te
          .toLowerCase()
          .split(',')
          .some((coding) => coding.trim() === 'trailers');
      if (trailers) headers.set('te', 'trailers');
      else headers.remove('te');
    }
  }
  return { close, keepAlive, upgrade, invalid };
}
