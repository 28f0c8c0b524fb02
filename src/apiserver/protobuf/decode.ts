// Protobuf bodies: an envelope with apiVersion and kind, and the object in it, read as the JSON it would be.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding

import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { badRequest, unsupportedMediaType } from '../status.ts';
import { type MessageField, messageFields, messageOf } from './message-table.ts';

export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** `k8s` and a zero byte: what every body starts with. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
/** Far deeper than any kind's messages. */
const MAX_DEPTH = 64;

type Fields = Record<string, unknown>;

/**
 * A body as the object it holds.
 *
 * @throws ApiError 400 for bytes that are none, 415 for a kind that is not known as protobuf: clients can send it as JSON
 */
export function decodeProtobuf(body: Buffer): Fields {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) throw badRequest('the body is no Kubernetes protobuf');
  try {
    const { apiVersion, kind, raw } = readEnvelope(body.subarray(MAGIC.length));
    const message = messageOf(apiVersion, kind);
    if (message === undefined) throw unsupportedMediaType(PROTOBUF, ['application/json', 'application/yaml']);
    return { apiVersion, kind, ...readMessage(new BinaryReader(raw), raw.length, message, 0) };
  } catch (error) {
    // What the reader throws of bytes that end early or make no sense.
    if (error instanceof RangeError || (error instanceof Error && error.name === 'Error'))
      throw badRequest(`the body is no Kubernetes protobuf: ${error.message}`);
    throw error;
  }
}

/** runtime.Unknown of k8s.io/apimachinery. */
function readEnvelope(bytes: Uint8Array): { apiVersion: string; kind: string; raw: Uint8Array } {
  const envelope: { apiVersion: string; kind: string; raw: Uint8Array } = {
    apiVersion: '',
    kind: '',
    raw: new Uint8Array(),
  };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (number === 1 && wireType === WireType.LengthDelimited) {
      const type = new BinaryReader(reader.bytes());
      while (type.pos < type.len) {
        const [field, typeWire] = type.tag();
        if (field === 1 && typeWire === WireType.LengthDelimited) envelope.apiVersion = type.string();
        else if (field === 2 && typeWire === WireType.LengthDelimited) envelope.kind = type.string();
        else type.skip(typeWire, field);
      }
    } else if (number === 2 && wireType === WireType.LengthDelimited) envelope.raw = reader.bytes();
    else reader.skip(wireType, number);
  }
  return envelope;
}

function readMessage(reader: BinaryReader, end: number, message: string, depth: number): Fields {
  if (depth > MAX_DEPTH) throw badRequest('the body is nested too deeply');
  const fields = messageFields(message);
  const object: Fields = {};
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const field = fields?.get(number);
    if (field === undefined) reader.skip(wireType, number);
    else readField(reader, wireType, field, object, depth);
  }
  return object;
}

function readField(reader: BinaryReader, wireType: WireType, field: MessageField, object: Fields, depth: number): void {
  const { name, type, shape, isPointer, isInline } = field;
  if (shape === 'map') {
    const [key, value] = readEntry(reader, type, depth);
    const map = (object[name] ?? {}) as Fields;
    if (key === '__proto__') throw badRequest('the body has a field named "__proto__"');
    map[key] = value;
    object[name] = map;
    return;
  }
  if (shape === 'list') {
    const list = (object[name] ?? []) as unknown[];
    object[name] = list;
    // Lists of numbers may come packed.
    if (wireType === WireType.LengthDelimited && (type === 'int32' || type === 'int64')) {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) list.push(readValue(reader, type, depth));
    } else list.push(readValue(reader, type, depth));
    return;
  }
  const value = readValue(reader, type, depth);
  if (isInline) Object.assign(object, value);
  else if (isPointer || !isEmpty(value)) object[name] = value;
}

/** What Go's JSON leaves out of a field that is no pointer. */
function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  return value === '' || value === 0 || value === false || value === undefined;
}

function readEntry(reader: BinaryReader, type: string, depth: number): [key: string, value: unknown] {
  const end = reader.uint32() + reader.pos;
  let key = '';
  let value: unknown = type === 'string' || type === 'bytes' ? '' : undefined;
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    if (number === 1) key = reader.string();
    else if (number === 2) value = readValue(reader, type, depth);
    else reader.skip(wireType, number);
  }
  return [key, value];
}

function readValue(reader: BinaryReader, type: string, depth: number): unknown {
  switch (type) {
    case 'string':
      return reader.string();
    case 'bool':
      return reader.bool();
    case 'int32':
      return reader.int32();
    case 'int64':
      return Number(reader.int64());
    case 'bytes':
      return Buffer.from(reader.bytes()).toString('base64');
    case 'Raw':
      return rawJson(submessage(reader));
    case 'Quantity':
      return submessage(reader).get(1) ?? '0';
    case 'IntOrString': {
      const parts = submessage(reader);
      return parts.get(1) === 1 ? (parts.get(3) ?? '') : (parts.get(2) ?? 0);
    }
    case 'Time':
    case 'MicroTime':
      return timeText(submessage(reader), type);
    case 'Items':
      return [...itemsOf(reader)];
    default: {
      const end = reader.uint32() + reader.pos;
      return readMessage(reader, end, type, depth + 1);
    }
  }
}

/** A small message of scalars: the last value by number. */
function submessage(reader: BinaryReader): Map<number, string | number> {
  const inner = new BinaryReader(reader.bytes());
  const values = new Map<number, string | number>();
  while (inner.pos < inner.len) {
    const [number, wireType] = inner.tag();
    if (wireType === WireType.Varint) values.set(number, Number(inner.int64()));
    else if (wireType === WireType.LengthDelimited) values.set(number, inner.string());
    else inner.skip(wireType, number);
  }
  return values;
}

function* itemsOf(reader: BinaryReader): Generator<string> {
  const inner = new BinaryReader(reader.bytes());
  while (inner.pos < inner.len) {
    const [number, wireType] = inner.tag();
    if (number === 1 && wireType === WireType.LengthDelimited) yield inner.string();
    else inner.skip(wireType, number);
  }
}

/** JSON inside of protobuf: FieldsV1, RawExtension. */
function rawJson(parts: ReadonlyMap<number, string | number>): unknown {
  const text = parts.get(1);
  return typeof text === 'string' && text !== '' ? JSON.parse(text) : undefined;
}

/** RFC 3339, in seconds or microseconds; undefined for the zero time. */
function timeText(parts: ReadonlyMap<number, string | number>, type: 'Time' | 'MicroTime'): string | undefined {
  const seconds = Number(parts.get(1) ?? 0);
  const nanoseconds = Number(parts.get(2) ?? 0);
  // Go's zero time is the year 1, and an absent one is all zeros.
  if (seconds <= -62_135_596_800 || (seconds === 0 && nanoseconds === 0)) return undefined;
  const text = new Date(seconds * 1000).toISOString().slice(0, 19);
  return type === 'Time' ? `${text}Z` : `${text}.${String(Math.floor(nanoseconds / 1000)).padStart(6, '0')}Z`;
}
