// Whether a client's certificate is one that a filter chain accepts, beyond the chain of trust that OpenSSL has checked.
// https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto#extensions-transport-sockets-tls-v3-certificatevalidationcontext

import { createHash, type X509Certificate } from 'node:crypto';
import { RE2JS } from 're2js';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType as SanType,
  CertificateValidationContext_TrustChainVerification as TrustChainVerification,
} from '../../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { StringMatcher } from '../../xds/gen/envoy/type/matcher/v3/string_pb.js';
import { ConfigError, type PeerCertificate } from '../connection.ts';

/** Why a certificate is refused: the name of the counter under `listener.<address>.ssl.`. */
export type CertificateFailure = 'fail_verify_error' | 'fail_verify_san' | 'fail_verify_cert_hash';

/** @param trustError OpenSSL's verdict on the chain of trust (`CERT_HAS_EXPIRED`, …), undefined when it is trusted */
export type CertificateCheck = (
  certificate: X509Certificate,
  trustError: string | undefined,
) => CertificateFailure | undefined;

/** @throws ConfigError for a matcher that can't be compiled */
export function compileCertificateCheck(
  contexts: readonly CertificateValidationContext[],
  field: string,
): CertificateCheck {
  const allowExpired = contexts.some((context) => context.allowExpiredCertificate);
  const acceptUntrusted = contexts.some(
    (context) => context.trustChainVerification === TrustChainVerification.ACCEPT_UNTRUSTED,
  );
  // Hashes are hex, with or without colons; SPKI hashes base64.
  const hashes = new Set(
    contexts.flatMap((context) => context.verifyCertificateHash.map((hash) => hash.replaceAll(':', '').toLowerCase())),
  );
  const spkiHashes = new Set(contexts.flatMap((context) => context.verifyCertificateSpki));
  const sanMatchers = contexts.flatMap((context) => [
    ...context.matchTypedSubjectAltNames.map(({ sanType, matcher }) => ({
      sanType,
      // A certificate for *.example.com has the name a.example.com.
      matches:
        sanType === SanType.DNS && matcher?.matchPattern.case === 'exact'
          ? dnsNameMatcher(matcher.matchPattern.value)
          : compile(matcher, field),
    })),
    ...context.matchSubjectAltNames.map((matcher) => ({
      sanType: SanType.SAN_TYPE_UNSPECIFIED,
      matches: compile(matcher, field),
    })),
  ]);
  return (certificate, trustError) => {
    if (trustError !== undefined && !acceptUntrusted && !(allowExpired && trustError === 'CERT_HAS_EXPIRED'))
      return 'fail_verify_error';
    if (hashes.size + spkiHashes.size > 0) {
      const hash = createHash('sha256').update(certificate.raw).digest('hex');
      const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
      if (!hashes.has(hash) && !spkiHashes.has(createHash('sha256').update(spki).digest('base64')))
        return 'fail_verify_cert_hash';
    }
    if (sanMatchers.length === 0) return undefined;
    const names = subjectAltNames(certificate);
    const fits = sanMatchers.some(({ sanType, matches }) =>
      names.some((name) => (sanType === SanType.SAN_TYPE_UNSPECIFIED || sanType === name.type) && matches(name.value)),
    );
    return fits ? undefined : 'fail_verify_san';
  };
}

/** Whether one of the certificate's names is that one: a DNS name or address, wildcards of the certificate counting. */
export function hasName(certificate: X509Certificate, name: string): boolean {
  const matches = dnsNameMatcher(name);
  return subjectAltNames(certificate).some(({ type, value }) =>
    type === SanType.DNS ? matches(value) : value === name,
  );
}

// RFC 6125 section 6.4.3: a wildcard stands for exactly one label, the leftmost.
function dnsNameMatcher(name: string): (pattern: string) => boolean {
  const wanted = name.toLowerCase();
  const wildcard = `*${wanted.slice(Math.max(0, wanted.indexOf('.')))}`;
  return (pattern) => {
    const own = pattern.toLowerCase();
    return own === wanted || (own === wildcard && wanted.indexOf('.') > 0);
  };
}

/** A subjectAltName. */
interface SubjectAltName {
  readonly type: SanType;
  readonly value: string;
}

const SAN_TYPES: Record<string, SanType> = {
  DNS: SanType.DNS,
  URI: SanType.URI,
  email: SanType.EMAIL,
  'IP Address': SanType.IP_ADDRESS,
};

/** The names of a certificate. Node prints them as `DNS:a, URI:"with, comma", …`: a value with special characters is a JSON string. */
function subjectAltNames(certificate: X509Certificate): SubjectAltName[] {
  const names: SubjectAltName[] = [];
  for (const match of (certificate.subjectAltName ?? '').matchAll(/([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    const [, label = '', text = ''] = match;
    const type = SAN_TYPES[label];
    if (type !== undefined) names.push({ type, value: text.startsWith('"') ? (JSON.parse(text) as string) : text });
  }
  return names;
}

/**
 * The subject as RFC 2253 writes it (`CN=client,O=Example`): what Envoy shows of a peer. Node's lines are in the order of the
 * certificate, RFC 2253's is the reverse.
 */
function subjectOf(certificate: X509Certificate): string {
  return (certificate.subject ?? '').split('\n').filter(Boolean).reverse().join(',');
}

/** What filters and logs are told of a client's certificate. */
export function peerCertificate(certificate: X509Certificate): PeerCertificate {
  const names = subjectAltNames(certificate);
  const valuesOf = (wanted: SanType) => names.filter(({ type }) => type === wanted).map(({ value }) => value);
  return {
    subject: subjectOf(certificate),
    uriSans: valuesOf(SanType.URI),
    dnsSans: valuesOf(SanType.DNS),
    sha256: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    pem: certificate.toString(),
  };
}

function compile(matcher: StringMatcher | undefined, field: string): (text: string) => boolean {
  const fold = matcher?.ignoreCase ? (text: string) => text.toLowerCase() : (text: string) => text;
  const pattern = matcher?.matchPattern;
  switch (pattern?.case) {
    case 'exact': {
      const wanted = fold(pattern.value);
      return (text) => fold(text) === wanted;
    }
    case 'prefix': {
      const wanted = fold(pattern.value);
      return (text) => fold(text).startsWith(wanted);
    }
    case 'suffix': {
      const wanted = fold(pattern.value);
      return (text) => fold(text).endsWith(wanted);
    }
    case 'contains': {
      const wanted = fold(pattern.value);
      return (text) => fold(text).includes(wanted);
    }
    case 'safeRegex': {
      try {
        const regex = RE2JS.compile(pattern.value.regex);
        return (text) => regex.matches(text);
      } catch (error) {
        throw new ConfigError(`${field}: regex ${pattern.value.regex}: ${(error as Error).message}`);
      }
    }
    default:
      throw new ConfigError(`${field}: a string matcher of kind ${pattern?.case ?? 'none'} is not supported`);
  }
}
