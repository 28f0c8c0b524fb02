// x-forwarded-client-cert: what upstreams are told of the client's certificate.

import { fromJson } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { HttpConnectionManagerSchema } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { compileClientCertHeader } from './client-certificate.ts';
import { HeaderList } from './header-list.ts';

/** The header with all that Istio's gateways ask for but the certificate itself. */
function headerOf(names: { uriSans: readonly string[]; dnsSans: readonly string[] }): string | undefined {
  const set = compileClientCertHeader(
    fromJson(HttpConnectionManagerSchema, {
      forward_client_cert_details: 'SANITIZE_SET',
      set_current_client_cert_details: { subject: true, uri: true, dns: true },
    }),
  );
  const headers = new HeaderList();
  const peer = { subject: 'CN=me', sha256: 'ab', pem: '', ...names };
  set(headers, { version: 'TLSv1.3', cipher: 'x', peer });
  return headers.get('x-forwarded-client-cert');
}

describe('x-forwarded-client-cert', () => {
  it('names every URI, then every DNS name of the certificate', () => {
    expect(headerOf({ uriSans: ['spiffe://a', 'spiffe://b'], dnsSans: ['a.test', '*.b.test'] })).toBe(
      'Hash=ab;Subject="CN=me";URI=spiffe://a;URI=spiffe://b;DNS=a.test;DNS=*.b.test',
    );
  });

  it('has an empty URI where the certificate has none', () => {
    expect(headerOf({ uriSans: [], dnsSans: [] })).toBe('Hash=ab;Subject="CN=me";URI=');
  });
});
