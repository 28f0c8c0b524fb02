// `/openapi/v2` as protobuf, the only form in which kubectl asks for it: when it meets a kind that the server does not have, and for
// `explain --output=plaintext-openapiv2`. It reads the definitions; paths are left out.
// https://github.com/google/gnostic-models (openapiv2/OpenAPIv2.proto)

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Schema } from '../../resources/openapi/schema.ts';

/** The media type, as clients spell it in their Accept header. */
export const SWAGGER_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/** What of an OpenAPI v2 document is written. */
interface Swagger {
  swagger: string;
  info: { title: string; version: string };
  definitions: Readonly<Record<string, Schema>>;
}

/** An OpenAPI v2 document as gnostic's `Document`. */
export function swaggerProtobuf(document: object): Uint8Array {
  const { swagger, info, definitions } = document as Swagger;
  const writer = new BinaryWriter();
  text(writer, 1, swagger);
  nested(writer, 2, () => {
    text(writer, 1, info.title);
    text(writer, 2, info.version);
  });
  nested(writer, 8, () => {});
  nested(writer, 9, () => {
    for (const [name, schema] of Object.entries(definitions)) namedSchema(writer, name, schema);
  });
  return writer.finish();
}

function namedSchema(writer: BinaryWriter, name: string, schema: Schema): void {
  nested(writer, 1, () => {
    text(writer, 1, name);
    nested(writer, 2, () => writeSchema(writer, schema));
  });
}

function writeSchema(writer: BinaryWriter, schema: Schema): void {
  text(writer, 1, schema.$ref);
  text(writer, 2, schema.format);
  text(writer, 3, schema.title);
  text(writer, 4, schema.description);
  if (schema.default !== undefined) nested(writer, 5, () => any(writer, schema.default));
  number(writer, 6, schema.multipleOf);
  number(writer, 7, schema.maximum);
  flag(writer, 8, schema.exclusiveMaximum);
  number(writer, 9, schema.minimum);
  flag(writer, 10, schema.exclusiveMinimum);
  whole(writer, 11, schema.maxLength);
  whole(writer, 12, schema.minLength);
  text(writer, 13, schema.pattern);
  whole(writer, 14, schema.maxItems);
  whole(writer, 15, schema.minItems);
  flag(writer, 16, schema.uniqueItems);
  whole(writer, 17, schema.maxProperties);
  whole(writer, 18, schema.minProperties);
  for (const name of schema.required ?? []) text(writer, 19, name);
  for (const value of schema.enum ?? []) nested(writer, 20, () => any(writer, value));
  const { additionalProperties, items, type, properties } = schema;
  if (additionalProperties !== undefined)
    nested(writer, 21, () => {
      if (typeof additionalProperties === 'object') nested(writer, 1, () => writeSchema(writer, additionalProperties));
      else writer.tag(2, WireType.Varint).bool(additionalProperties);
    });
  if (type !== undefined) nested(writer, 22, () => text(writer, 1, type));
  if (items !== undefined) nested(writer, 23, () => nested(writer, 1, () => writeSchema(writer, items)));
  for (const part of schema.allOf ?? []) nested(writer, 24, () => writeSchema(writer, part));
  if (properties !== undefined)
    nested(writer, 25, () => {
      for (const [name, property] of Object.entries(properties)) namedSchema(writer, name, property);
    });
  for (const [name, value] of Object.entries(schema))
    if (name.startsWith('x-'))
      nested(writer, 31, () => {
        text(writer, 1, name);
        nested(writer, 2, () => any(writer, value));
      });
}

/** Any value, as the YAML that its JSON is. */
function any(writer: BinaryWriter, value: unknown): void {
  text(writer, 2, JSON.stringify(value));
}

function nested(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string | undefined): void {
  if (value !== undefined) writer.tag(field, WireType.LengthDelimited).string(value);
}

function number(writer: BinaryWriter, field: number, value: number | undefined): void {
  if (value !== undefined) writer.tag(field, WireType.Bit64).double(value);
}

function whole(writer: BinaryWriter, field: number, value: number | undefined): void {
  if (value !== undefined) writer.tag(field, WireType.Varint).int64(value);
}

function flag(writer: BinaryWriter, field: number, value: boolean | undefined): void {
  if (value === true) writer.tag(field, WireType.Varint).bool(true);
}
