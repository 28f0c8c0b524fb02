// The parameters of `/config_dump`: resource, mask and name_regex, applied to a dump.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--config_dump

import type { JsonObject, JsonValue, Message } from '@bufbuild/protobuf';
import { dumpToJson } from '../../xds/json.ts';
import { DUMP_RESOURCES } from './config-dump.ts';
import { redactJson } from './redact-json.ts';

/** What a request asked for. */
export interface DumpQuery {
  /** The repeated field whose elements are wanted (`dynamic_listeners`); '' for the whole dump. */
  readonly resource: string;
  /** Paths of fields, comma-separated; '' for all. */
  readonly mask: string;
  /** Keeps the elements whose resource has a matching name; undefined for all. */
  readonly nameMatches: ((name: string) => boolean) | undefined;
}

/** The answer: a dump, or a status and why. */
export type DumpAnswer = { readonly json: JsonValue } | { readonly status: 400 | 404; readonly message: string };

/** Applies a query to the sections of a dump. The result holds no key. */
export function answerDump(sections: readonly Message[], query: DumpQuery): DumpAnswer {
  const { resource, mask, nameMatches } = query;
  if (resource !== '') {
    const found = DUMP_RESOURCES.get(resource);
    if (resource === 'bootstrap')
      return {
        status: 400,
        message: 'bootstrap is not a repeated field. Use ?mask=bootstrap to get only this field',
      };
    const section = sections.find(({ $typeName }) => $typeName === found?.section.typeName);
    if (found === undefined || section === undefined)
      return { status: 404, message: `${resource} not found in config dump` };
    const list = (toJsonObject(section)[resource] ?? []) as JsonObject[];
    const configs = list
      .filter((element) => nameMatches === undefined || nameMatches(nameOf(element)))
      .map((element) => ({
        '@type': `type.googleapis.com/${found.element}`,
        ...(mask === '' ? element : applyMask(element, mask)),
      }));
    return { json: { configs } };
  }
  const configs: JsonObject[] = [];
  for (const section of sections) {
    let json = toJsonObject(section);
    if (nameMatches !== undefined) json = filterNames(json, nameMatches);
    if (mask !== '') {
      json = applyMask(json, mask);
      if (Object.keys(json).length === 0) continue;
    }
    configs.push({ '@type': `type.googleapis.com/${section.$typeName}`, ...json });
  }
  if (mask !== '' && configs.length === 0)
    return { status: 400, message: `FieldMask ${mask} could not be successfully applied to any configs.` };
  return { json: { configs } };
}

function toJsonObject(section: Message): JsonObject {
  return redactJson(dumpToJson(section)) as JsonObject;
}

/** The name of an element of a dump: its own, or that of the resource inside. */
function nameOf(element: JsonObject): string {
  for (const value of [element, ...Object.values(element)]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) continue;
    const name = value.name ?? value.cluster_name;
    if (typeof name === 'string') return name;
  }
  return '';
}

function filterNames(section: JsonObject, matches: (name: string) => boolean): JsonObject {
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.filter((element) => isObject(element) && matches(nameOf(element))) : value,
    ]),
  );
}

/** The fields that a mask names, down its dots; in lists, of each element. */
function applyMask(json: JsonObject, mask: string): JsonObject {
  const result: JsonObject = {};
  for (const path of mask.split(',')) copyPath(json, result, path.trim().split('.'));
  return result;
}

function copyPath(from: JsonObject, to: JsonObject, path: readonly string[]): void {
  const [key, ...rest] = path;
  if (key === undefined || !Object.hasOwn(from, key) || key === '__proto__') return;
  const value = from[key]!;
  if (rest.length === 0) to[key] = value;
  else if (isObject(value)) {
    const below = isObject(to[key]) ? to[key] : {};
    copyPath(value, below, rest);
    if (Object.keys(below).length > 0) to[key] = below;
  } else if (Array.isArray(value)) {
    const before = Array.isArray(to[key]) ? to[key] : [];
    to[key] = value.map((element, index) => {
      const below = isObject(before[index]) ? before[index] : {};
      if (isObject(element)) copyPath(element, below, rest);
      return below;
    });
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
