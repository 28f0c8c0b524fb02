// Writes one chunk of the chunked transfer coding in one write. RFC 9112 section 7.1

import type { Writable } from 'node:stream';

// Below this a copy into one string is cheaper than three buffers in one writev.
const COPY_BELOW = 4096;

/** Writes `bytes` (not empty) as one chunk. @returns false when the writable's buffer is full */
export function writeChunk(to: Writable, bytes: Buffer): boolean {
  const size = `${bytes.length.toString(16)}\r\n`;
  if (bytes.length < COPY_BELOW) return to.write(`${size}${bytes.toString('latin1')}\r\n`, 'latin1');
  to.cork();
  to.write(size, 'latin1');
  to.write(bytes);
  const flowing = to.write('\r\n', 'latin1');
  to.uncork();
  return flowing;
}
