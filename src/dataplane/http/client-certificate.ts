// The x-forwarded-client-cert header: what the gateway tells upstreams of the client's certificate.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert

import {
  type HttpConnectionManager,
  HttpConnectionManager_ForwardClientCertDetails as Mode,
} from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { TlsInfo } from '../connection.ts';
import type { HeaderList } from './header-list.ts';
import { Known } from './header-names.ts';

/** Sets, keeps or removes the header on one request. */
export type ClientCertHeader = (headers: HeaderList, tls: TlsInfo | undefined) => void;

const NAME = 'x-forwarded-client-cert';

/** Compiles `forward_client_cert_details` and `set_current_client_cert_details`. */
export function compileClientCertHeader(config: HttpConnectionManager): ClientCertHeader {
  const details = config.setCurrentClientCertDetails;
  const element = (tls: TlsInfo): string => {
    const { peer } = tls;
    if (peer === undefined) return '';
    const parts = [`Hash=${peer.sha256}`];
    if (details?.cert === true) parts.push(`Cert="${encodePem(peer.pem)}"`);
    if (details?.subject === true) parts.push(`Subject="${peer.subject.replace(/["\\]/g, '\\$&')}"`);
    // Envoy says that there is no URI, and says nothing where there is no DNS name.
    if (details?.uri === true)
      parts.push(...(peer.uriSans.length === 0 ? ['URI='] : peer.uriSans.map((uri) => `URI=${uri}`)));
    if (details?.dns === true) for (const name of peer.dnsSans) parts.push(`DNS=${name}`);
    return parts.join(';');
  };
  return (headers, tls) => {
    const verified = tls?.peer !== undefined;
    switch (config.forwardClientCertDetails) {
      case Mode.ALWAYS_FORWARD_ONLY:
        return;
      case Mode.FORWARD_ONLY:
        if (!verified) headers.remove(NAME);
        return;
      case Mode.APPEND_FORWARD:
        if (!verified) headers.remove(NAME);
        else headers.append(NAME, element(tls), ',');
        return;
      case Mode.SANITIZE_SET:
        if (!verified) {
          if ((headers.seen & Known.ForwardedClientCert) !== 0) headers.remove(NAME);
        } else headers.set(NAME, element(tls));
        return;
      default:
        if ((headers.seen & Known.ForwardedClientCert) !== 0) headers.remove(NAME);
    }
  };
}

/** Percent-encodes a PEM certificate, so that no quote, separator or line break is left. */
function encodePem(pem: string): string {
  return encodeURIComponent(pem);
}
