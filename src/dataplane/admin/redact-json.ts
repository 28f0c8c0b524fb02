// The last gate before a dump leaves the process: whatever is a key in it, wherever it stands, is `[redacted]`.

import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

const REDACTED = '[redacted]';
const REDACTED_BYTES = Buffer.from(REDACTED).toString('base64');

/** Fields of Envoy's TLS and secret messages that hold a DataSource, or a list or map of them, and are marked sensitive. */
const SENSITIVE = new Set([
  'private_key',
  'password',
  'pkcs12',
  'private_key_provider',
  'session_ticket_keys',
  'generic_secret',
]);

/** What every PEM private key holds, of any kind. */
const PEM_MARK = 'PRIVATE KEY-----';

/**
 * Secrets are redacted as messages already (redactSecret); this catches keys in other places: inlined in a listener's TLS context, in a refused
 * resource, or in bytes of a type that is not known.
 *
 * @param json a dump with field names as in the .proto files
 */
export function redactJson(json: JsonValue): JsonValue {
  if (typeof json === 'string') return holdsKey(json) ? REDACTED : json;
  if (Array.isArray(json)) return json.map(redactJson);
  if (typeof json !== 'object' || json === null) return json;
  const copy: JsonObject = {};
  for (const [key, value] of Object.entries(json)) {
    const redacted = SENSITIVE.has(key) ? redactSources(value) : redactJson(value);
    Object.defineProperty(copy, key, { value: redacted, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

/** Everything below a sensitive field that is a value of a DataSource; file names and variables' names included, as Envoy does. */
function redactSources(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(redactSources);
  if (typeof json === 'string') return REDACTED;
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [
      key,
      key === 'inline_bytes' ? REDACTED_BYTES : key === '@type' ? value : redactSources(value),
    ]),
  );
}

function holdsKey(text: string): boolean {
  if (text.includes(PEM_MARK)) return true;
  // Bytes are base64 in JSON. Shorter than any key is not looked at.
  return text.length >= 64 && /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) && Buffer.from(text, 'base64').includes(PEM_MARK);
}
