// The server's side of a SPDY/3.1 session over a connection: streams that the client opens.

import { once } from 'node:events';
import { Duplex } from 'node:stream';
import {
  controlFrame,
  dataFrame,
  FLAG_FIN,
  type Frame,
  FrameType,
  frameLength,
  MAX_FRAME_BYTES,
  readFrame,
  uint32,
} from './frames.ts';
import { HeaderDecoder, HeaderEncoder, type Headers } from './header-block.ts';

/** What a stream may hold that nobody reads, before the session waits for it. There is no flow control by stream: Kubernetes' clients have none. */
const STREAM_BUFFER_BYTES = 1024 * 1024;
const MAX_DATA_BYTES = 64 * 1024;
const MAX_STREAMS = 1_000;
/** RST_STREAM status codes. */
const PROTOCOL_ERROR = 1;
const REFUSED_STREAM = 3;
const CANCEL = 5;

/** A stream of a session: reads what the client sends, writes to it. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: Headers;
  readonly #send: (flags: number, data: Buffer) => Promise<void>;
  readonly #reset: () => void;
  #ended = false;

  constructor(id: number, headers: Headers, send: (flags: number, data: Buffer) => Promise<void>, reset: () => void) {
    super({ readableHighWaterMark: STREAM_BUFFER_BYTES });
    this.id = id;
    this.headers = headers;
    this.#send = send;
    this.#reset = reset;
  }

  override _read(): void {
    this.emit('wanted');
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#sendAll(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#ended = true;
    this.#send(FLAG_FIN, Buffer.alloc(0)).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#ended) this.#reset();
    this.emit('wanted');
    done(error);
  }

  async #sendAll(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += MAX_DATA_BYTES) {
      await this.#send(0, chunk.subarray(at, at + MAX_DATA_BYTES));
    }
  }
}

/** A session. */
export interface SpdySession {
  /** Resolves when the connection is over, however it ended. */
  readonly closed: Promise<void>;
  /** Says goodbye and ends the connection; what was written is sent before. */
  close(): void;
}

/**
 * Speaks SPDY on a connection from now on.
 * @param head what was read of it already
 * @param onStream called for each stream the client opens, in order
 */
export function serveSpdy(connection: Duplex, head: Buffer, onStream: (stream: SpdyStream) => void): SpdySession {
  const streams = new Map<number, SpdyStream>();
  const decoder = new HeaderDecoder();
  const encoder = new HeaderEncoder();
  let newest = 0;

  const write = async (bytes: Buffer) => {
    if (connection.destroyed || connection.writableEnded) return;
    if (!connection.write(bytes)) {
      await Promise.race([once(connection, 'drain'), once(connection, 'close')]).catch(() => {}); // an error closes it
    }
  };
  const reset = (id: number, status: number) =>
    write(controlFrame(FrameType.RST_STREAM, 0, uint32(id), uint32(status)));

  async function open({ flags, payload }: Frame): Promise<void> {
    const id = payload.readUInt32BE(0) & 0x7fff_ffff;
    const headers = await decoder.decode(payload.subarray(10)); // also of a refused one: the compression goes on from block to block
    if (id <= newest || id % 2 === 0) return void (await reset(id, PROTOCOL_ERROR));
    if (streams.size >= MAX_STREAMS) return void (await reset(id, REFUSED_STREAM));
    newest = id;
    const stream = new SpdyStream(
      id,
      headers,
      (flag, data) => write(dataFrame(id, flag, data)),
      () => void reset(id, CANCEL),
    );
    stream.on('error', () => {}); // told by 'close' too
    stream.once('close', () => streams.delete(id));
    streams.set(id, stream);
    await write(controlFrame(FrameType.SYN_REPLY, 0, uint32(id), await encoder.encode({})));
    onStream(stream);
    if (flags & FLAG_FIN) stream.push(null);
  }

  async function take(frame: Frame): Promise<boolean> {
    if (frame.type === undefined) {
      const stream = streams.get(frame.streamId);
      if (stream === undefined || stream.destroyed || stream.readableEnded) return true;
      if (frame.payload.length > 0 && !stream.push(frame.payload)) await once(stream, 'wanted').catch(() => {});
      if (frame.flags & FLAG_FIN) stream.push(null);
    } else if (frame.type === FrameType.SYN_STREAM) {
      await open(frame);
    } else if (frame.type === FrameType.RST_STREAM) {
      streams.get(frame.payload.readUInt32BE(0))?.destroy();
    } else if (frame.type === FrameType.HEADERS) {
      await decoder.decode(frame.payload.subarray(4));
    } else if (frame.type === FrameType.PING && frame.payload.readUInt32BE(0) % 2 === 1) {
      await write(controlFrame(FrameType.PING, 0, frame.payload));
    }
    return frame.type !== FrameType.GOAWAY;
  }

  async function run(): Promise<void> {
    let pending = head;
    /** Takes the whole frames; false when the client is done. */
    const drain = async () => {
      for (let length = frameLength(pending); length !== undefined; length = frameLength(pending)) {
        if (length > MAX_FRAME_BYTES) throw new Error('a frame is too large');
        if (pending.length < length) return true;
        const frame = readFrame(pending.subarray(0, length));
        pending = pending.subarray(length);
        if (!(await take(frame))) return false;
      }
      return true;
    };
    if (!(await drain())) return;
    for await (const chunk of connection) {
      pending = pending.length === 0 ? (chunk as Buffer) : Buffer.concat([pending, chunk as Buffer]);
      if (!(await drain())) return;
    }
  }

  connection.on('error', () => {}); // ends the loop below too
  const closed = run()
    .catch(() => {}) // bytes that are no SPDY, or a connection that broke: it is over either way
    .finally(() => {
      for (const stream of streams.values()) stream.destroy();
      decoder.close();
      encoder.close();
      connection.destroy();
    });
  return {
    closed,
    close() {
      void write(controlFrame(FrameType.GOAWAY, 0, uint32(newest), uint32(0)));
      connection.end();
    },
  };
}
