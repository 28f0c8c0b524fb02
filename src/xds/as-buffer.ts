// Bytes of the codec as Node.js' own kind of bytes.

/** A view, not a copy: a response may be megabytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
