// How a command answers: a table, JSON or YAML.

import type { JsonValue, Message } from '@bufbuild/protobuf';
import { stringify } from 'yaml';
import { messageToIstioJson } from '../../xds/json.ts';

/** istioctl's distance between columns: wide, but for listeners and the bootstrap. */
export const PADDING = 5;
export const NARROW_PADDING = 1;

/** Why a table of endpoints can't be made of a dump. */
export const NO_EDS =
  'no endpoints in this dump: take it from /config_dump?include_eds=true or from /clusters?format=json';

/** Messages as istioctl prints them: a list (of one message: that message) of lowerCamelCase protobuf JSON. A newline at the end. */
export function formatMessages(messages: Message | readonly Message[], format: 'json' | 'yaml'): string {
  const json = Array.isArray(messages) ? messages.map(messageToIstioJson) : messageToIstioJson(messages as Message);
  return formatJson(json, format);
}

/** JSON indented by four spaces, or YAML with sorted keys: what Go's encoder makes of the same, as istioctl prints it. */
export function formatJson(json: JsonValue, format: 'json' | 'yaml'): string {
  if (format === 'json') return `${JSON.stringify(json, undefined, 4)}\n`;
  return stringify(json, { indentSeq: false, sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false });
}
