// Frames of SPDY/3.1, as far as Kubernetes' streaming uses them.

/** Control frame types. https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/ (2.6) */
export const FrameType = {
  SYN_STREAM: 1,
  SYN_REPLY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  HEADERS: 8,
  WINDOW_UPDATE: 9,
} as const;

const VERSION = 3;
export const FLAG_FIN = 0x01;
const HEADER_BYTES = 8;
/** A frame may carry 16 MiB; nobody sends such, and a hostile length must not make for a buffer of it. */
export const MAX_FRAME_BYTES = 1024 * 1024;

/** A frame. `type` is undefined for data. */
export type Frame =
  | { readonly type: undefined; readonly streamId: number; readonly flags: number; readonly payload: Buffer }
  | { readonly type: number; readonly flags: number; readonly payload: Buffer };

/** How many bytes the frame at the start of the buffer has, its head included; undefined when its head is not there yet. */
export function frameLength(buffer: Buffer): number | undefined {
  return buffer.length < HEADER_BYTES ? undefined : HEADER_BYTES + buffer.readUIntBE(5, 3);
}

/**
 * Reads one whole frame.
 * @throws Error when it is of another protocol
 */
export function readFrame(bytes: Buffer): Frame {
  const first = bytes.readUInt32BE(0);
  const flags = bytes.readUInt8(4);
  const payload = bytes.subarray(HEADER_BYTES);
  if (first < 0x8000_0000) return { type: undefined, streamId: first, flags, payload };
  const version = (first >>> 16) & 0x7fff;
  if (version !== VERSION) throw new Error(`SPDY version ${version} is not spoken here`);
  return { type: first & 0xffff, flags, payload };
}

/** The bytes of a control frame. */
export function controlFrame(type: number, flags: number, ...payload: readonly Buffer[]): Buffer {
  return frame((0x8000_0000 | (VERSION << 16) | type) >>> 0, flags, payload);
}

/** The bytes of a data frame. */
export function dataFrame(streamId: number, flags: number, payload: Buffer): Buffer {
  return frame(streamId, flags, [payload]);
}

/** A number as frames have it. */
export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function frame(first: number, flags: number, payload: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUInt32BE(first, 0);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(
    payload.reduce((sum, { length }) => sum + length, 0),
    5,
    3,
  );
  return Buffer.concat([head, ...payload]);
}
