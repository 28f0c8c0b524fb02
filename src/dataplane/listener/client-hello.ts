// Reads server name and ALPN out of the first bytes of a TLS connection, before it is known who will answer it. RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301.

/** What a ClientHello says about where the client wants to go. */
export interface ClientHello {
  /** In lower case, '' where there is none. */
  readonly serverName: string;
  /** What the client offers by ALPN, in its order. */
  readonly alpn: readonly string[];
}

/** `incomplete`: all fine so far, more bytes are needed. `not-tls`: no TLS client begins like this. */
export type Inspection = ClientHello | 'incomplete' | 'not-tls';

/** Envoy's default of `max_client_hello_size`. A client with a post-quantum key share needs about 2 KiB. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
const SERVER_NAME_EXTENSION = 0;
const ALPN_EXTENSION = 16;
const HOST_NAME = 0;

/**
 * Parses as far as the bytes go.
 * @param bytes everything received so far, from the start of the connection
 * @returns the ClientHello once it is complete; a hello longer than MAX_CLIENT_HELLO_BYTES is `not-tls`
 */
export function inspectClientHello(bytes: Buffer): Inspection {
  const handshake = handshakeBytes(bytes);
  if (handshake === 'not-tls') return 'not-tls';
  if (handshake.length > 0 && handshake[0] !== CLIENT_HELLO) return 'not-tls';
  if (handshake.length < HANDSHAKE_HEADER_BYTES) return 'incomplete';
  const length = handshake.readUIntBE(1, 3);
  if (length > MAX_CLIENT_HELLO_BYTES) return 'not-tls';
  if (handshake.length < HANDSHAKE_HEADER_BYTES + length) return 'incomplete';
  return parseClientHello(handshake.subarray(HANDSHAKE_HEADER_BYTES, HANDSHAKE_HEADER_BYTES + length)) ?? 'not-tls';
}

/** The handshake messages out of the records so far: a ClientHello may be cut into several records. */
function handshakeBytes(bytes: Buffer): Buffer | 'not-tls' {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    // Whatever of the record's header is there must fit: type, then version 3.x, then a length.
    if (bytes[at] !== HANDSHAKE_RECORD) return 'not-tls';
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return 'not-tls';
    if (at + RECORD_HEADER_BYTES > bytes.length) break;
    const length = bytes.readUInt16BE(at + 3);
    // RFC 8446 §5.1: at most 2^14 bytes, and no empty handshake records (a way to keep a parser busy with nothing).
    if (length === 0 || length > 1 << 14) return 'not-tls';
    const start = at + RECORD_HEADER_BYTES;
    parts.push(bytes.subarray(start, start + length));
    at = start + length;
    if (parts.length === 1 && isComplete(parts[0]!)) break;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

// What follows a complete ClientHello (early data) is not looked at.
function isComplete(handshake: Buffer): boolean {
  return (
    handshake.length >= HANDSHAKE_HEADER_BYTES &&
    handshake.length >= HANDSHAKE_HEADER_BYTES + handshake.readUIntBE(1, 3)
  );
}

/** Cuts length-prefixed pieces off a buffer; `undefined` once a length points past the end. */
class Cutter {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get empty(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Buffer | undefined {
    if (this.#at + length > this.#bytes.length) return undefined;
    const piece = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return piece;
  }

  /** A number of 1 or 2 bytes. */
  number(width: 1 | 2): number | undefined {
    return this.take(width)?.readUIntBE(0, width);
  }

  /** A piece behind its length, which is 1 or 2 bytes wide. */
  vector(width: 1 | 2): Buffer | undefined {
    const length = this.number(width);
    return length === undefined ? undefined : this.take(length);
  }
}

function parseClientHello(body: Buffer): ClientHello | undefined {
  const cutter = new Cutter(body);
  const random = cutter.take(2 + 32);
  const sessionId = cutter.vector(1);
  const cipherSuites = cutter.vector(2);
  const compression = cutter.vector(1);
  if (random === undefined || sessionId === undefined || cipherSuites === undefined || compression === undefined)
    return undefined;
  let serverName = '';
  let alpn: readonly string[] = [];
  if (cutter.empty) return { serverName, alpn };
  const list = cutter.vector(2);
  if (list === undefined || !cutter.empty) return undefined;
  const extensions = new Cutter(list);
  const seen = new Set<number>();
  while (!extensions.empty) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    // RFC 8446 §4.2: one of each type; two server names would be read differently by two parsers.
    if (type === undefined || data === undefined || seen.has(type)) return undefined;
    seen.add(type);
    if (type === SERVER_NAME_EXTENSION) {
      const name = parseServerName(data);
      if (name === undefined) return undefined;
      serverName = name;
    } else if (type === ALPN_EXTENSION) {
      const protocols = parseAlpn(data);
      if (protocols === undefined) return undefined;
      alpn = protocols;
    }
  }
  return { serverName, alpn };
}

function parseServerName(data: Buffer): string | undefined {
  const outer = new Cutter(data);
  const list = outer.vector(2);
  if (list === undefined || !outer.empty) return undefined;
  const names = new Cutter(list);
  let found: string | undefined;
  while (!names.empty) {
    const type = names.number(1);
    const name = names.vector(2);
    if (type === undefined || name === undefined) return undefined;
    if (type !== HOST_NAME) continue;
    if (found !== undefined || name.length === 0 || name.length > 255 || name.includes(0)) return undefined;
    found = name.toString('latin1').toLowerCase();
  }
  return found ?? '';
}

function parseAlpn(data: Buffer): readonly string[] | undefined {
  const outer = new Cutter(data);
  const list = outer.vector(2);
  if (list === undefined || !outer.empty || list.length === 0) return undefined;
  const names = new Cutter(list);
  const protocols: string[] = [];
  while (!names.empty) {
    const name = names.vector(1);
    if (name === undefined || name.length === 0) return undefined;
    protocols.push(name.toString('latin1'));
  }
  return protocols;
}
