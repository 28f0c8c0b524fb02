// What the connection manager adds to every response, whoever made it, and what the router adds to an upstream's.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers

import type { HcmConfig } from './hcm-config.ts';
import type { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';
import { httpDate } from './response-date.ts';

/** The parts of the configuration that say how a response looks. */
type ResponseRules = Pick<HcmConfig, 'alwaysSetRequestIdInResponse' | 'serverHeader' | 'serverName' | 'via'>;

/**
 * Completes the headers of a response in place.
 *
 * @param headers their `seen` says what an upstream sent or a route added
 * @param requestHeaders where the request id is
 * @param now milliseconds since the epoch
 */
export function completeResponseHeaders(
  headers: HeaderList,
  requestHeaders: HeaderList,
  rules: ResponseRules,
  now: number,
): void {
  const { seen } = headers;
  const forcedTrace = (requestHeaders.seen & Known.EnvoyInternal) !== 0 && requestHeaders.has('x-envoy-force-trace');
  if (rules.alwaysSetRequestIdInResponse || forcedTrace) {
    const id = requestHeaders.get('x-request-id');
    if (id !== undefined) headers.set('x-request-id', id);
  }
  // A route may have removed what the upstream sent.
  if ((seen & Known.Date) === 0 || !headers.has('date')) headers.add('date', httpDate(now));
  if ((seen & Known.Server) === 0) {
    if (rules.serverHeader !== 'pass-through') headers.add('server', rules.serverName);
  } else if (rules.serverHeader === 'overwrite') headers.set('server', rules.serverName);
  if (rules.via !== '') headers.append('via', rules.via, ', ');
}

/** Tells the client how long the upstream took, from the end of the request to the head of the response. */
export function setServiceTime(headers: HeaderList, milliseconds: number): void {
  const name = 'x-envoy-upstream-service-time';
  const time = String(Math.max(0, Math.round(milliseconds)));
  if ((headers.seen & Known.UpstreamServiceTime) === 0) headers.add(name, time);
  else headers.set(name, time);
}

/** Makes the headers of a 101 in the order in which Envoy writes them. */
export function switchingHeaders(headers: HeaderList): void {
  const protocol = headers.get('upgrade') ?? '';
  headers.remove('upgrade');
  headers.fields.unshift('upgrade', protocol, 'connection', 'Upgrade');
}
