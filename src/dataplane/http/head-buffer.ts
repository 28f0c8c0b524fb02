// Finds the end of a message head in the bytes received, and keeps the part of it that came in earlier reads.

const CR = 0x0d;
const LF = 0x0a;
const CRLFCRLF = Buffer.from('\r\n\r\n', 'latin1');

/** One per connection; empty (and free) whenever heads arrive whole, which is nearly always. */
export class HeadBuffer {
  #kept: Buffer | undefined = undefined;
  #length = 0;
  /** Something of the next head came, if only an empty line before it. */
  begun = false;
  /** After `find` returned -1: the head is larger than allowed. */
  tooLarge = false;
  /** After `find` returned -1: there is a line feed without carriage return, which will never become a head. */
  bareLineFeed = false;

  /** The bytes of an incomplete head so far. */
  get length(): number {
    return this.#length;
  }

  /** The first byte of an incomplete head; 0 when there is none. */
  get partial(): Buffer {
    return this.#kept === undefined ? Buffer.alloc(0) : this.#kept.subarray(0, this.#length);
  }

  /**
   * Passes over empty lines before a request line, however they are cut. RFC 9112 section 2.2
   *
   * @returns the index in `bytes` after them
   */
  skipEmptyLines(bytes: Buffer, start: number): number {
    let at = start;
    if (this.#length === 1 && this.#kept![0] === CR && bytes[at] === LF) {
      this.#kept = undefined;
      this.#length = 0;
      at += 1;
    }
    if (this.#length !== 0) return at;
    while (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
    this.begun = true;
    return at;
  }

  /**
   * Looks for the end of the head in `bytes` from `start` on, after what was kept. Keeps the bytes when it is not there.
   *
   * @returns the index in `bytes` after the head's empty line, or -1
   */
  find(bytes: Buffer, start: number, maxBytes: number): number {
    if (this.#kept === undefined) {
      const index = bytes.indexOf(CRLFCRLF, start);
      if (index >= 0) {
        this.tooLarge = index - start > maxBytes;
        return this.tooLarge ? -1 : index + 4;
      }
      this.#keep(bytes, start, maxBytes);
      return -1;
    }
    const before = this.#length;
    this.#keep(bytes, start, maxBytes);
    if (this.tooLarge) return -1;
    // The empty line may lie across two reads.
    const index = this.#kept.subarray(0, this.#length).indexOf(CRLFCRLF, before > 3 ? before - 3 : 0);
    if (index < 0) return -1;
    this.bareLineFeed = false;
    return start + (index + 4 - before);
  }

  /** The text of the head that `find` found (`end` is its result): its lines with CRLF, without the empty line. Empties the buffer. */
  take(bytes: Buffer, start: number, end: number): string {
    this.begun = false;
    if (this.#kept === undefined) return bytes.toString('latin1', start, end - 2);
    const length = this.#length - (bytes.length - end);
    const text = this.#kept.toString('latin1', 0, length - 2);
    this.#kept = undefined;
    this.#length = 0;
    this.bareLineFeed = false;
    return text;
  }

  #keep(bytes: Buffer, start: number, maxBytes: number): void {
    this.begun = true;
    const added = bytes.length - start;
    const length = this.#length + added;
    if (this.#kept === undefined || this.#kept.length < length) {
      // Doubling, so that a head sent byte by byte is not copied for each byte.
      const grown = Buffer.allocUnsafe(Math.max(1024, length * 2));
      this.#kept?.copy(grown, 0, 0, this.#length);
      this.#kept = grown;
    }
    bytes.copy(this.#kept, this.#length, start);
    // From the last byte of the read before: its CR may belong to our LF.
    for (
      let at = this.#kept.indexOf(0x0a, this.#length);
      at >= 0 && at < length;
      at = this.#kept.indexOf(0x0a, at + 1)
    ) {
      if (at === 0 || this.#kept[at - 1] !== 0x0d) this.bareLineFeed = true;
    }
    this.#length = length;
    const complete = this.bareLineFeed
      ? false
      : length > maxBytes && this.#kept.subarray(0, maxBytes + 4).indexOf(CRLFCRLF) < 0;
    this.tooLarge = complete;
  }
}
