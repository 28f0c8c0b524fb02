// Secrets without what is secret in them, for dumps and logs.

import { clone } from '@bufbuild/protobuf';
import type { DataSource } from './gen/envoy/config/core/v3/base_pb.js';
import { type Secret, SecretSchema } from './gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';

const REDACTED = '[redacted]';

/**
 * A copy of a secret as Envoy's `/config_dump` shows it: private keys, passwords, PKCS#12 bundles, session ticket keys and generic
 * secrets are `[redacted]` (the fields that Envoy's .proto files mark as sensitive); certificates stay.
 */
export function redactSecret(secret: Secret): Secret {
  const copy = clone(SecretSchema, secret);
  const { type } = copy;
  switch (type.case) {
    case 'tlsCertificate': {
      const { privateKey, password, pkcs12, privateKeyProvider } = type.value;
      for (const source of [privateKey, password, pkcs12]) redactDataSource(source);
      if (privateKeyProvider !== undefined) privateKeyProvider.configType = { case: undefined };
      break;
    }
    case 'sessionTicketKeys':
      for (const source of type.value.keys) redactDataSource(source);
      break;
    case 'genericSecret':
      redactDataSource(type.value.secret);
      break;
  }
  return copy;
}

function redactDataSource(source: DataSource | undefined): void {
  if (source === undefined || source.specifier.case === undefined) return;
  const { specifier } = source;
  if (specifier.case === 'inlineBytes') specifier.value = new TextEncoder().encode(REDACTED);
  else specifier.value = REDACTED;
}
