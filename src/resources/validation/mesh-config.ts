// What is wrong with a MeshConfig, wherever it stands: in the ConfigMap `istio` or in an IstioOperator.

import { error, type Finding, warning } from '../finding.ts';
import { HONOURED_MESH_FIELDS, isHonouredOrHarmless, MESH_FIELDS } from '../mesh-config.ts';
import { nearest } from '../nearest.ts';

/** The message of a name that is probably a known one misspelled. */
export const UNKNOWN_FIELD = 'unknown field';
const ENCODINGS = ['TEXT', 'JSON'];
const TEXTS = ['accessLogFile', 'accessLogEncoding', 'accessLogFormat'];

/**
 * The findings, each with the path of its field in the MeshConfig. A name that looks like a known one misspelled is an error; others that do
 * nothing here are warnings.
 */
export function checkMeshConfig(mesh: Readonly<Record<string, unknown>>): Finding[] {
  return Object.entries(mesh).flatMap(([field, value]) => {
    if (!isHonouredOrHarmless(field)) return [withoutEffect(field)];
    if (value === null || value === undefined) return [];
    if (TEXTS.includes(field) && typeof value !== 'string') return [error([field], 'must be a string')];
    if (field === 'enableTracing' && typeof value !== 'boolean') return [error([field], 'must be true or false')];
    if (field === 'accessLogEncoding' && value !== '' && !ENCODINGS.includes(String(value)))
      return [error([field], `must be ${ENCODINGS.join(' or ')}, found ${JSON.stringify(value)}`)];
    if (field === 'accessLogFile' && value !== '' && !String(value).startsWith('/'))
      return [error([field], `${JSON.stringify(value)} is no absolute path`, 'use /dev/stdout')];
    return [];
  });
}

function withoutEffect(field: string): Finding {
  const served = `served: ${HONOURED_MESH_FIELDS.join(', ')}`;
  if (MESH_FIELDS.includes(field)) return warning([field], 'is not served yet, ignored', served);
  const guess = nearest(field, MESH_FIELDS);
  const at = 'key' as const;
  return guess === undefined
    ? { ...warning([field], 'unknown field, ignored', served), at }
    : { ...error([field], UNKNOWN_FIELD, `did you mean ${guess}?`), at };
}
