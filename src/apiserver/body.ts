// The body of a request: read up to a limit, decoded as JSON or YAML, checked to be harmless to walk.

import type { IncomingMessage } from 'node:http';
import { parseDocuments } from '../resources/documents.ts';
import { decodeProtobuf, PROTOBUF } from './protobuf/decode.ts';
import { badRequest, tooLarge, unsupportedMediaType } from './status.ts';

/** The longest body, bytes: kube-apiserver's limit for requests that write. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;
/** Levels of objects and lists. The deepest schema there is (CustomResourceDefinition's own) nests far less. */
const MAX_DEPTH = 200;

/** The media types of objects that a body may have. */
const BODY_TYPES = ['application/json', 'application/yaml', PROTOBUF] as const;

/** Reads the whole body. @throws ApiError 413 when it is longer than the limit; 400 when it ends early */
export function readBody(request: IncomingMessage, limit = MAX_BODY_BYTES): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > limit) {
        chunks.length = 0;
        reject(tooLarge(limit));
      } else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', () => reject(badRequest('the body ended early')));
  });
}

/** The media type of a Content-Type header, in lower case, without parameters; '' where there is none. */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase();
}

/**
 * A body as data. No media type counts as JSON, as with kube-apiserver.
 *
 * @throws ApiError 415 for another media type, 400 for what does not parse
 */
export function decodeBody(body: Buffer, contentType: string | undefined): unknown {
  const type = mediaType(contentType);
  switch (type) {
    case '':
    case 'application/json':
      return decodeJson(body);
    case 'application/yaml':
      return decodeYaml(body);
    case PROTOBUF: {
      const value = decodeProtobuf(body);
      checkHarmless(value);
      return value;
    }
    default:
      throw unsupportedMediaType(type, BODY_TYPES);
  }
}

/** @throws ApiError 400 for what is no JSON */
export function decodeJson(body: Buffer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw badRequest(`the body is no JSON: ${(error as Error).message}`);
  }
  checkHarmless(value);
  return value;
}

/** @throws ApiError 400 for what is no YAML, or more than one document */
export function decodeYaml(body: Buffer): unknown {
  const documents = parseDocuments(body.toString('utf8'));
  const failure = documents.flatMap(({ errors }) => errors)[0];
  if (failure !== undefined) {
    const { position, message } = failure;
    throw badRequest(`the body is no YAML: line ${position.line}, column ${position.column}: ${message}`);
  }
  if (documents.length > 1) throw badRequest('the body has more than one YAML document');
  const value = documents[0]?.value;
  checkHarmless(value);
  return value;
}

/** Whether a value can be walked by recursion and copied by key without surprise. @throws ApiError 400 */
function checkHarmless(value: unknown): void {
  const open: { value: object; depth: number }[] = [];
  const enter = (inner: unknown, depth: number) => {
    if (typeof inner === 'object' && inner !== null) open.push({ value: inner, depth });
  };
  enter(value, 1);
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: at, depth } = next;
    if (depth > MAX_DEPTH) throw badRequest(`the body is nested deeper than ${MAX_DEPTH} levels`);
    if (Array.isArray(at)) {
      for (const item of at) enter(item, depth + 1);
      continue;
    }
    // No field of any kind is named so, and a copy by assignment would change the copy's prototype.
    if (Object.hasOwn(at, '__proto__')) throw badRequest('the body has a field named "__proto__"');
    for (const inner of Object.values(at)) enter(inner, depth + 1);
  }
}

/** The body as an object. @throws ApiError 400 for a list, a scalar or nothing */
export function asObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw badRequest('the body is no object: expected one with apiVersion, kind and metadata');
}
