// Takes the chunked transfer coding off a body as its bytes arrive, however they are cut. RFC 9112 section 7.1

import { parseTrailers } from './head-parser.ts';
import type { HeaderList } from './header-list.ts';

/** Where decoded body bytes go: parts of the received buffers, never copies. */
export interface BodySink {
  onBodyBytes(bytes: Buffer): void;
}

const State = {
  SizeStart: 0,
  Size: 1,
  ExtensionName: 2,
  ExtensionValue: 3,
  ExtensionQuoted: 4,
  ExtensionEscape: 5,
  ExtensionEnd: 6,
  SizeLf: 7,
  Data: 8,
  DataCr: 9,
  DataLf: 10,
  Trailers: 11,
  Done: 12,
  Failed: 13,
} as const;

// 2^48 bytes in one chunk are more than anyone sends and exact in a double.
const MAX_SIZE_DIGITS = 12;
// Extensions carry nothing for us; unbounded ones are an attack (CVE-2023-39326 and its relatives).
const MAX_EXTENSION_BYTES = 16 * 1024;
// As many as header lines.
const MAX_TRAILERS = 100;

const HEX = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit += 1) {
  HEX[digit.toString(16).charCodeAt(0)] = digit;
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

const TOKEN_BYTES = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN_BYTES[char.charCodeAt(0)] = 1;
}

/** One body's decoder. Strict: CRLF only, no white space, extensions by the grammar. */
export class ChunkedDecoder {
  readonly #maxTrailerBytes: number;
  #state: number = State.SizeStart;
  #remaining = 0;
  #digits = 0;
  #extensionBytes = 0;
  /** Complete trailer lines, and the one that is not complete yet. */
  #trailerText = '';
  #trailerLine = '';
  /** Trailer fields, once `done`; undefined when there were none. */
  trailers: HeaderList | undefined = undefined;

  constructor(maxTrailerBytes: number) {
    this.#maxTrailerBytes = maxTrailerBytes;
  }

  get done(): boolean {
    return this.#state === State.Done;
  }

  get failed(): boolean {
    return this.#state === State.Failed;
  }

  /**
   * Decodes bytes from `start` on and hands body parts to the sink.
   *
   * @returns the index after the last byte that belongs to the body: `bytes.length` unless `done` or `failed`
   */
  decode(bytes: Buffer, start: number, sink: BodySink): number {
    const end = bytes.length;
    let at = start;
    while (at < end) {
      if (this.#state === State.Data) {
        const available = end - at;
        const take = Math.min(available, this.#remaining);
        this.#remaining -= take;
        if (this.#remaining === 0) this.#state = State.DataCr;
        sink.onBodyBytes(take === bytes.length ? bytes : bytes.subarray(at, at + take));
        at += take;
        continue;
      }
      if (this.#state === State.Trailers) {
        at = this.#readTrailers(bytes, at);
        if (this.#state !== State.Trailers) return at;
        continue;
      }
      this.#state = this.#step(bytes[at]!);
      at += 1;
      if (this.#state === State.Failed) return at;
    }
    return at;
  }

  #step(byte: number): number {
    switch (this.#state) {
      case State.SizeStart:
        this.#remaining = 0;
        this.#digits = 0;
        this.#extensionBytes = 0;
        return this.#sizeDigit(byte);
      case State.Size:
        if (HEX[byte]! >= 0) return this.#sizeDigit(byte);
        if (byte === 0x0d) return State.SizeLf;
        return byte === 0x3b ? State.ExtensionEnd : State.Failed;
      case State.SizeLf:
        if (byte !== 0x0a) return State.Failed;
        return this.#remaining === 0 ? State.Trailers : State.Data;
      case State.DataCr:
        return byte === 0x0d ? State.DataLf : State.Failed;
      case State.DataLf:
        return byte === 0x0a ? State.SizeStart : State.Failed;
      default:
        return this.#extension(byte);
    }
  }

  #sizeDigit(byte: number): number {
    const digit = HEX[byte]!;
    this.#digits += 1;
    if (digit < 0 || this.#digits > MAX_SIZE_DIGITS) return State.Failed;
    this.#remaining = this.#remaining * 16 + digit;
    return State.Size;
  }

  // chunk-ext = *( ";" chunk-ext-name [ "=" chunk-ext-val ] ); ExtensionEnd is the state right after a semicolon.
  #extension(byte: number): number {
    this.#extensionBytes += 1;
    if (this.#extensionBytes > MAX_EXTENSION_BYTES) return State.Failed;
    const token = TOKEN_BYTES[byte] === 1;
    switch (this.#state) {
      case State.ExtensionEnd:
        return token ? State.ExtensionName : State.Failed;
      case State.ExtensionName:
        if (token) return State.ExtensionName;
        if (byte === 0x3d) {
          this.#digits = 0; // now: bytes of the value
          return State.ExtensionValue;
        }
        return afterExtension(byte);
      case State.ExtensionValue:
        if (token) {
          this.#digits = 1;
          return State.ExtensionValue;
        }
        if (byte === 0x22 && this.#digits === 0) return State.ExtensionQuoted;
        return this.#digits === 0 ? State.Failed : afterExtension(byte);
      case State.ExtensionQuoted:
        if (byte === 0x22) {
          this.#digits = 2; // a closed quote: only ";" or CR may follow
          return State.ExtensionEscape;
        }
        if (byte === 0x5c) {
          this.#digits = 0;
          return State.ExtensionEscape;
        }
        return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? State.ExtensionQuoted : State.Failed;
      case State.ExtensionEscape:
        if (this.#digits === 2) return afterExtension(byte);
        return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? State.ExtensionQuoted : State.Failed;
      default:
        return State.Failed;
    }
  }

  // Collects trailer lines up to the empty line; each is checked when it is complete.
  #readTrailers(bytes: Buffer, start: number): number {
    const newline = bytes.indexOf(0x0a, start);
    const stop = newline < 0 ? bytes.length : newline + 1;
    this.#trailerLine += bytes.toString('latin1', start, stop);
    if (this.#trailerText.length + this.#trailerLine.length > this.#maxTrailerBytes) {
      this.#state = State.Failed;
      return stop;
    }
    if (newline < 0) return stop;
    const line = this.#trailerLine;
    this.#trailerLine = '';
    if (line === '\r\n') {
      if (this.#trailerText !== '') this.trailers = parseTrailers(this.#trailerText, MAX_TRAILERS);
      this.#state = this.#trailerText !== '' && this.trailers === undefined ? State.Failed : State.Done;
    } else if (!line.endsWith('\r\n') || parseTrailers(line, 1) === undefined) {
      this.#state = State.Failed;
    } else {
      this.#trailerText += line;
    }
    return stop;
  }
}

function afterExtension(byte: number): number {
  if (byte === 0x3b) return State.ExtensionEnd;
  return byte === 0x0d ? State.SizeLf : State.Failed;
}
