// Messages as JSON: as Envoy's admin interface prints them, as istioctl prints them, and read back from either, whatever else is in there.

import {
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Message,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { type Any, anyPack, StructSchema } from '@bufbuild/protobuf/wkt';
import { type ConfigDump, ConfigDumpSchema } from './gen/envoy/admin/v3/config_dump_pb.js';
import { typeRegistry } from './registry.ts';

const STRUCT_URL = 'type.googleapis.com/google.protobuf.Struct';
/** Deeper than any configuration seen; bounds what hostile input can cost. */
const RECURSION_LIMIT = 200;

/**
 * A message as Envoy's admin interface prints it: field names as in the .proto files (snake_case), enums by name, bytes in base64,
 * defaults left out. An Any of an unknown type becomes `{ "@type": …, "value": <base64> }`.
 */
export function dumpToJson(message: Message): JsonValue {
  return toTolerantJson(message, true);
}

/** A message as `istioctl -o json` prints it: like dumpToJson, but lowerCamelCase. An Any that jsonToMessage kept aside comes back as it was. */
export function messageToIstioJson(message: Message): JsonValue {
  return toTolerantJson(message, false);
}

/**
 * Reads a message from JSON of any origin: snake_case or lowerCamelCase; fields and enum values that are not known are ignored; an
 * Any of a type that is not known (or that does not parse as its type) is kept as a Struct, `@type` included, and printed back as it was.
 * Throws where the JSON is not such a message.
 */
export function jsonToMessage<Shape extends Message>(schema: GenMessage<Shape>, json: JsonValue): Shape {
  const options = { registry: typeRegistry(), ignoreUnknownFields: true, recursionLimit: RECURSION_LIMIT };
  const isKnown = (typeName: string) => typeRegistry().getMessage(typeName) !== undefined;
  try {
    return fromJson(schema, wrapAnys(json, isKnown), options);
  } catch {
    // Some Any says it is of a type we know and does not look like it (another version of Envoy): find it, the hard way.
    const parses = (typeName: string, value: JsonObject) => {
      const known = typeRegistry().getMessage(typeName);
      if (known === undefined) return false;
      try {
        fromJson(
          known,
          'value' in value && Object.keys(value).length === 1 ? (value.value as JsonValue) : value,
          options,
        );
        return true;
      } catch {
        return false;
      }
    };
    return fromJson(schema, wrapAnys(json, parses), options);
  }
}

/**
 * Reads what `/config_dump` of an Envoy, an istio-proxy or Limen's proxy answered (or what `proxy-config all -o json` printed).
 * Throws an Error that says what is wrong with the text.
 */
export function parseConfigDump(text: string): ConfigDump {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new Error(`not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (!isObject(json) || !Array.isArray(json.configs))
    throw new Error('not an Envoy config dump: expected an object with a list "configs", as GET /config_dump answers');
  try {
    return jsonToMessage(ConfigDumpSchema, json);
  } catch (error) {
    throw new Error(`not an Envoy config dump: ${(error as Error).message}`, { cause: error });
  }
}

function isObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function typeNameOf(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}

// Innermost first: an Any inside a known one is judged before the one around it.
function wrapAnys(json: JsonValue, isGood: (typeName: string, value: JsonObject) => boolean): JsonValue {
  if (Array.isArray(json)) return json.map((item) => wrapAnys(item, isGood));
  if (!isObject(json)) return json;
  const url = json['@type'];
  const copy: JsonObject = {};
  for (const [key, value] of Object.entries(json)) if (key !== '@type') setOwn(copy, key, wrapAnys(value, isGood));
  if (typeof url !== 'string') {
    if (url !== undefined) copy['@type'] = url;
    return copy;
  }
  if (isGood(typeNameOf(url), copy)) return { '@type': url, ...copy };
  return { '@type': STRUCT_URL, value: json };
}

// The reverse of wrapAnys; and `@type` comes first, where Envoy and istioctl print it.
function unwrapAnys(json: JsonValue): JsonValue {
  if (Array.isArray(json)) return json.map(unwrapAnys);
  if (!isObject(json)) return json;
  const { value } = json;
  if (json['@type'] === STRUCT_URL && isObject(value) && typeof value['@type'] === 'string') return value;
  const copy: JsonObject = json['@type'] === undefined ? {} : { '@type': json['@type'] };
  for (const [key, item] of Object.entries(json)) if (key !== '@type') setOwn(copy, key, unwrapAnys(item));
  return copy;
}

// `__proto__` is a key like any other here.
function setOwn(target: JsonObject, key: string, value: JsonValue): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

function toTolerantJson(message: Message, useProtoFieldName: boolean): JsonValue {
  const registry = typeRegistry();
  const schema = registry.getMessage(message.$typeName);
  if (schema === undefined) throw new Error(`${message.$typeName} is not a generated type`);
  const options = { registry, useProtoFieldName };
  let json: JsonValue;
  try {
    json = toJson(schema, message, options);
  } catch {
    const copy = fromBinary(schema, toBinary(schema, message)); // the caller's message stays as it is
    replaceUnknownAnys(copy);
    json = toJson(schema, copy, options);
  }
  return unwrapAnys(json);
}

function replaceUnknownAnys(value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) replaceUnknownAnys(item);
  } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    if ((value as Partial<Message>).$typeName === 'google.protobuf.Any') replaceIfUnknown(value as Any);
    else for (const item of Object.values(value)) replaceUnknownAnys(item);
  }
}

function replaceIfUnknown(any: Any): void {
  const schema = typeRegistry().getMessage(typeNameOf(any.typeUrl));
  if (schema !== undefined) {
    try {
      const message = fromBinary(schema, any.value);
      replaceUnknownAnys(message);
      any.value = toBinary(schema, message);
      return;
    } catch {
      // Not of the type it says it is: shown as bytes, like an unknown one.
    }
  } else if (any.typeUrl === '') return;
  const bytes = Buffer.from(any.value).toString('base64');
  anyPack(StructSchema, fromJson(StructSchema, { '@type': any.typeUrl, value: bytes }), any);
}
