// What the connection manager does to the headers of every request before routing: who the client is, whom it may claim to be.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers

import { isIP } from 'node:net';
import type { DownstreamConnection } from '../connection.ts';
import type { HcmConfig } from './hcm-config.ts';
import type { HeaderList } from './header-list.ts';
import { ENVOY_INTERNAL_HEADERS, Known } from './header-names.ts';

const INTERNAL_ONLY: ReadonlySet<string> = new Set(ENVOY_INTERNAL_HEADERS);

/** What came out besides the changed headers. */
export interface ClientView {
  /** `http` or `https`, as x-forwarded-proto says in the end. */
  readonly forwardedProto: string;
  /** The client's address as far as it can be trusted; access logs show it. */
  readonly remoteIp: string;
  readonly internal: boolean;
}

/**
 * Sanitizes and completes the headers of a request, in Envoy's order.
 *
 * @param internalOnly headers of the route configuration that outsiders may not send
 */
export function mutateRequestHeaders(
  headers: HeaderList,
  connection: DownstreamConnection,
  config: HcmConfig,
  internalOnly: readonly string[],
): ClientView {
  const { seen } = headers;
  const connectionScheme = connection.tls === undefined ? 'http' : 'https';
  const forwardedFor = (seen & Known.ForwardedFor) !== 0 ? headers.get('x-forwarded-for') : undefined;
  let { remoteIp } = connection;
  // Only a request that no other proxy forwarded can be internal. Behind a proxy that is trusted, that one names the client.
  const single = config.useRemoteAddress
    ? forwardedFor === undefined
    : config.xffNumTrustedHops === 0 && forwardedFor?.includes(',') === false;

  if (config.useRemoteAddress) {
    if (config.xffNumTrustedHops > 0) {
      remoteIp = addressFromForwardedFor(forwardedFor, config.xffNumTrustedHops - 1) ?? remoteIp;
    }
    if (!config.skipXffAppend) {
      const own = isLoopback(connection.remoteIp) ? config.localIp : connection.remoteIp;
      if (forwardedFor === undefined) headers.add('x-forwarded-for', own);
      else headers.append('x-forwarded-for', own, ',');
    }
    // A trusted proxy in front knows better which protocol the client spoke.
    if (config.xffNumTrustedHops === 0 || (seen & Known.ForwardedProto) === 0) {
      if ((seen & Known.ForwardedProto) === 0) headers.add('x-forwarded-proto', connectionScheme);
      else headers.set('x-forwarded-proto', connectionScheme);
    }
    if (config.appendForwardedPort && (config.xffNumTrustedHops === 0 || !headers.has('x-forwarded-port'))) {
      headers.set('x-forwarded-port', connection.localAddress.slice(connection.localAddress.lastIndexOf(':') + 1));
    }
  } else {
    remoteIp = addressFromForwardedFor(forwardedFor, config.xffNumTrustedHops) ?? remoteIp;
    if ((seen & Known.ForwardedProto) === 0) headers.add('x-forwarded-proto', connectionScheme);
  }
  let forwardedProto = connectionScheme;
  if ((seen & Known.ForwardedProto) !== 0) {
    const proto = headers.get('x-forwarded-proto')!.toLowerCase();
    if (proto === 'http' || proto === 'https') forwardedProto = proto;
  }

  const internal = single && config.isInternal(remoteIp);
  const edge = !internal && config.useRemoteAddress;
  if (internal) {
    if ((seen & Known.EnvoyInternal) === 0) headers.add('x-envoy-internal', 'true');
    else headers.set('x-envoy-internal', 'true');
  } else if ((seen & Known.EnvoyInternal) !== 0) {
    if (edge) headers.removeWhere((name) => INTERNAL_ONLY.has(name));
    else headers.remove('x-envoy-internal');
  }
  if (edge) for (const name of internalOnly) headers.remove(name);

  if (config.via !== '') headers.append('via', config.via, ', ');
  if (edge) headers.add('x-envoy-external-address', remoteIp);

  if (config.generateRequestId) {
    const received = (seen & Known.RequestId) !== 0;
    if (!received) headers.add('x-request-id', config.services.uuid());
    else if (edge && !config.preserveExternalRequestId) headers.set('x-request-id', config.services.uuid());
  }
  config.clientCert(headers, connection.tls);
  return { forwardedProto, remoteIp, internal };
}

/** The address `hops` places from the right of x-forwarded-for; undefined where there is none or it is no address. */
function addressFromForwardedFor(value: string | undefined, hops: number): string | undefined {
  if (value === undefined) return undefined;
  const addresses = value.split(',');
  const address = addresses[addresses.length - 1 - hops]?.trim();
  return address !== undefined && isIP(address) !== 0 ? address : undefined;
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1' || ip.startsWith('::ffff:127.');
}
