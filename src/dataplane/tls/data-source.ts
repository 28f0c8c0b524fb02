// Bytes that configuration carries inline (PEM certificates, keys, CAs).

import type { DataSource } from '../../xds/gen/envoy/config/core/v3/base_pb.js';
import { ConfigError } from '../connection.ts';

/**
 * @param field where it stands, for the error. The content never shows up in an error: it may be a key.
 * @returns the text, or undefined where the field is not set
 * @throws ConfigError for a source other than inline
 */
export function inlineText(source: DataSource | undefined, field: string): string | undefined {
  const specifier = source?.specifier;
  switch (specifier?.case) {
    case undefined:
      return undefined;
    case 'inlineBytes':
      return Buffer.from(specifier.value).toString('latin1');
    case 'inlineString':
      return specifier.value;
    default:
      throw new ConfigError(`${field}: a ${specifier?.case} is not supported, expected inline_bytes or inline_string`);
  }
}
