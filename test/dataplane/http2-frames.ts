// HTTP/2 frames by hand, for tests of what no client library would send. RFC 9113 section 4, RFC 7541.

import { connect, type Socket } from 'node:net';

/** The frame types that tests send or look for. */
export const Frame = {
  Data: 0,
  Headers: 1,
  ResetStream: 3,
  Settings: 4,
  Ping: 6,
  GoAway: 7,
  Continuation: 9,
} as const;

export const END_STREAM = 1;
export const END_HEADERS = 4;

/** What a client begins with: the preface, and its (empty) settings. */
export const PREFACE: Buffer = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(Frame.Settings, 0, 0),
]);

/** One frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A header block without compression: every header a literal that is not indexed. */
export function headerBlock(headers: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(headers.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

// A string with its length in a prefix of seven bits.
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  const length: number[] = [];
  let left = bytes.length;
  if (left < 127) length.push(left);
  else {
    length.push(127);
    for (left -= 127; left >= 128; left = Math.floor(left / 128)) length.push((left % 128) | 128);
    length.push(left);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** The pseudo-headers of a request to a.test, with more headers. */
export function requestHeaders(
  path: string,
  more: readonly (readonly [string, string])[] = [],
  method = 'GET',
): (readonly [string, string])[] {
  return [[':method', method], [':scheme', 'http'], [':path', path], [':authority', 'a.test'], ...more];
}

/** One frame that came. */
export interface ReceivedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A client that speaks frames. */
export class FrameClient {
  readonly frames: ReceivedFrame[] = [];
  closed = false;
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#read(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static connect(port: number): Promise<FrameClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new FrameClient(socket)));
      socket.once('error', reject);
    });
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.#socket.destroyed) this.#socket.write(Buffer.concat(frames));
  }

  /** Waits for a frame that came or comes; undefined where the connection is closed without. */
  async waitFor(matches: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame | undefined> {
    for (;;) {
      const found = this.frames.find(matches);
      if (found !== undefined || this.closed) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Waits for the end of a stream: the code of its RST_STREAM, `end` where it ended by itself, `closed` where the connection did first. */
  async endOf(stream: number): Promise<number | 'end' | 'closed'> {
    const isEnd = ({ type, flags, stream: of }: ReceivedFrame) =>
      of === stream && (type === Frame.ResetStream || (type <= Frame.Headers && (flags & END_STREAM) !== 0));
    const last = await this.waitFor(isEnd);
    if (last === undefined) return 'closed';
    return last.type === Frame.ResetStream ? last.payload.readUInt32BE(0) : 'end';
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    let rest = Buffer.concat([this.#received, bytes]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const end = 9 + rest.readUIntBE(0, 3);
      const [type = 0, flags = 0] = rest.subarray(3, 5);
      this.frames.push({ type, flags, stream: rest.readUInt32BE(5), payload: rest.subarray(9, end) });
      rest = rest.subarray(end);
    }
    this.#received = rest;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
