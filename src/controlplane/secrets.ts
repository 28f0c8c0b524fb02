// Credentials of TLS servers: Secrets of the gateway workload's namespace as SDS resources. The only place that reads private keys.
// https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/#key-formats

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { keyOf } from '../resources/object.ts';
import type { Secret } from '../resources/types.ts';
import { type DataSource, DataSourceSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import {
  CertificateValidationContextSchema,
  TlsCertificateSchema,
} from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import {
  type Secret as SecretMessage,
  SecretSchema,
} from '../xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { UpstreamCredential } from './clusters.ts';
import type { MergedGateways } from './gateways/merge.ts';
import { isPassthrough } from './gateways/server.ts';
import { credentialNames, verifiesClients } from './listeners/tls.ts';
import type { ProxyNode } from './node.ts';
import type { Notice } from './notice.ts';
import type { PushContext } from './push-context.ts';
import { CA_SUFFIX, secretResourceName } from './secret-names.ts';

/** Resources, and what is wrong with those that are not there. */
export interface BuiltSecrets {
  readonly messages: readonly SecretMessage[];
  readonly notices: readonly Notice[];
}

/** The data of a resource, or why it can't be used. */
type Material<Data> = { readonly data: Data } | { readonly problem: string };

/**
 * The secrets that the servers of a proxy name. One that is missing or unusable is not sent: handshakes of its servers
 * fail, the others go on.
 */
export function secretsOf(
  gateways: MergedGateways,
  upstream: readonly UpstreamCredential[],
  context: PushContext,
  node: ProxyNode,
): BuiltSecrets {
  const messages = new Map<string, SecretMessage>();
  const notices: Notice[] = [];
  const keyPairOfSecret = (name: string, secret: Secret | undefined) =>
    context.memo.get(`${node.id}/sds/${name}`, [secret], () => certificateSecret(name, secret));
  const authoritiesOf = (name: string, secret: Secret | undefined) =>
    context.memo.get(`${node.id}/sds/${name}`, [secret], () => caSecretOf(name, secret));
  for (const { servers } of gateways.ports) {
    for (const { server, gateway, field } of servers) {
      const { tls } = server;
      if (tls === undefined || isPassthrough(server)) continue;
      const report = (message: string) =>
        notices.push({ object: keyOf(gateway), field: `${field}.tls.credentialName`, message });
      for (const [index, credential] of credentialNames(tls).entries()) {
        const name = credential.replace(/^kubernetes:\/\//, '');
        const secret = context.snapshot.get('Secret', node.namespace, name);
        const where = `Secret ${node.namespace}/${name}`;
        const keyPair = keyPairOfSecret(name, secret);
        if ('problem' in keyPair)
          report(
            `${where} ${keyPair.problem}: TLS handshakes of this server fail, on proxies that have none from before`,
          );
        else messages.set(keyPair.data.name, keyPair.data);
        // Of several credentials, the first brings the authorities.
        if (index > 0 || !verifiesClients(tls)) continue;
        const caName = `${name}${CA_SUFFIX}`;
        const caSecret = context.snapshot.get('Secret', node.namespace, caName) ?? secret;
        const authorities = authoritiesOf(caName, caSecret);
        if ('problem' in authorities) {
          // Of a Secret that does not exist it is said once.
          if (caSecret === undefined) continue;
          report(
            `neither Secret ${node.namespace}/${caName} nor ${where} ${authorities.problem}: TLS handshakes of this server fail, on proxies that have none from before`,
          );
        } else messages.set(authorities.data.name, authorities.data);
      }
    }
  }
  for (const { name: credential, mode, rule, field } of upstream) {
    const name = credential.replace(/^kubernetes:\/\//, '');
    const secret = context.snapshot.get('Secret', node.namespace, name);
    const caName = `${name}${CA_SUFFIX}`;
    const caSecret = context.snapshot.get('Secret', node.namespace, caName) ?? secret;
    const where = `Secret ${node.namespace}/${name}`;
    const report = (message: string) => notices.push({ object: rule, field, message });
    if (mode === 'MUTUAL') {
      const keyPair = keyPairOfSecret(name, secret);
      if ('problem' in keyPair) report(`${where} ${keyPair.problem}: requests are answered 503`);
      else messages.set(keyPair.data.name, keyPair.data);
    }
    const authorities = authoritiesOf(caName, caSecret);
    if ('problem' in authorities) {
      report(`neither ${where}${CA_SUFFIX} nor ${where} ${authorities.problem}: requests are answered 503`);
    } else messages.set(authorities.data.name, authorities.data);
  }
  return { messages: [...messages.values()], notices };
}

function certificateSecret(name: string, secret: Secret | undefined): Material<SecretMessage> {
  if (secret === undefined) return { problem: "does not exist (it must be in the gateway workload's namespace)" };
  const pair = keyPairOf(secret);
  if ('problem' in pair) return pair;
  const { certificate, key } = pair.data;
  const value = create(TlsCertificateSchema, { certificateChain: inline(certificate), privateKey: inline(key) });
  return { data: create(SecretSchema, { name: secretResourceName(name), type: { case: 'tlsCertificate', value } }) };
}

function caSecretOf(name: string, secret: Secret | undefined): Material<SecretMessage> {
  const authorities = secret?.data?.cacert ?? secret?.data?.['ca.crt'];
  if (!authorities) return { problem: 'has ca.crt (or cacert), which certificates are verified with' };
  const pem = Buffer.from(authorities, 'base64');
  try {
    new X509Certificate(pem);
  } catch {
    return { problem: 'has a certificate in PEM form as its ca.crt' };
  }
  const value = create(CertificateValidationContextSchema, { trustedCa: inline(pem) });
  // Certificates that were revoked. Without the list they would be accepted, so an empty one is left to the proxy to refuse.
  const revoked = secret?.data?.['ca.crl'] ?? secret?.data?.crl;
  if (revoked) value.crl = inline(Buffer.from(revoked, 'base64'));
  return { data: create(SecretSchema, { name: secretResourceName(name), type: { case: 'validationContext', value } }) };
}

/** Key and certificate chain of a Secret, checked to belong together: Envoy would refuse a pair that does not. */
function keyPairOf({ data = {} }: Secret): Material<{ certificate: Buffer; key: Buffer }> {
  // Both spellings of a generic Secret are Istio's; the older one goes first.
  const [certName, keyName] = data.cert && data.key ? ['cert', 'key'] : ['tls.crt', 'tls.key'];
  if (!data[certName as string]) return { problem: 'has no tls.crt' };
  if (!data[keyName as string]) return { problem: 'has no tls.key' };
  const certificate = Buffer.from(data[certName as string] as string, 'base64');
  const key = Buffer.from(data[keyName as string] as string, 'base64');
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(certificate);
  } catch {
    return { problem: `has no certificate in PEM form as its ${certName}` };
  }
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) {
      return { problem: `has a ${keyName} that does not belong to its ${certName}` };
    }
  } catch {
    return { problem: `has no unencrypted private key in PEM form as its ${keyName}` };
  }
  return { data: { certificate, key } };
}

function inline(bytes: Buffer): DataSource {
  return create(DataSourceSchema, { specifier: { case: 'inlineBytes', value: new Uint8Array(bytes) } });
}
