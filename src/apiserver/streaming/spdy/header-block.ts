// Name/value header blocks of SPDY/3.1: one compressor a direction and session.

import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { DICTIONARY } from './dictionary.ts';
import { uint32 } from './frames.ts';

/** Header names are in lower case; several values of a name are joined by NUL. */
export type Headers = Readonly<Record<string, string>>;

/** A block may not unpack to more. */
const MAX_BLOCK_BYTES = 64 * 1024;

/** Unpacks the blocks of a session, in the order they came. */
export class HeaderDecoder {
  readonly #inflate: Inflate = createInflate({ dictionary: DICTIONARY, finishFlush: constants.Z_SYNC_FLUSH });

  /** @throws Error when the block is no header block */
  async decode(block: Buffer): Promise<Headers> {
    return parse(await through(this.#inflate, block));
  }

  close(): void {
    this.#inflate.destroy();
  }
}

/** Packs the blocks of a session. */
export class HeaderEncoder {
  readonly #deflate: Deflate = createDeflate({ dictionary: DICTIONARY, flush: constants.Z_SYNC_FLUSH });

  async encode(headers: Headers): Promise<Buffer> {
    return through(this.#deflate, serialize(headers));
  }

  close(): void {
    this.#deflate.destroy();
  }
}

/** What comes out of a codec for what goes in. One at a time. */
function through(codec: Inflate | Deflate, input: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const output: Buffer[] = [];
    let size = 0;
    const onData = (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BLOCK_BYTES) done(new Error('a header block is too large'));
      else output.push(chunk);
    };
    const done = (error?: Error | null) => {
      codec.off('data', onData).off('error', done);
      if (error) {
        codec.on('error', () => {}).destroy();
        reject(error);
      } else {
        resolve(Buffer.concat(output));
      }
    };
    codec.on('data', onData).on('error', done);
    codec.write(input, done);
  });
}

function parse(block: Buffer): Headers {
  const headers: Record<string, string> = Object.create(null);
  let at = 4;
  const text = () => {
    const end = at + 4 + block.readUInt32BE(at);
    if (end > block.length) throw new Error('a header block is cut off');
    const value = block.toString('latin1', at + 4, end);
    at = end;
    return value;
  };
  const count = block.readUInt32BE(0);
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

function serialize(headers: Headers): Buffer {
  const parts: Buffer[] = [uint32(Object.keys(headers).length)];
  for (const entry of Object.entries(headers)) {
    for (const text of entry) parts.push(uint32(Buffer.byteLength(text, 'latin1')), Buffer.from(text, 'latin1'));
  }
  return Buffer.concat(parts);
}
