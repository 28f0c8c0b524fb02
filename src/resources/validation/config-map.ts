// ConfigMap `istio`: the mesh configuration in it is YAML with known fields and values.

import { parseDocument } from 'yaml';
import { error, type Finding, warning } from '../finding.ts';
import { nearest } from '../nearest.ts';
import type { ConfigMap } from '../types.ts';

/** The fields of the mesh configuration that Limen reads. https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig */
const FIELDS = ['accessLogFile', 'accessLogEncoding', 'accessLogFormat'];
const ENCODINGS = ['TEXT', 'JSON'];
const PATH = ['data', 'mesh'];

/** Checks the ConfigMap that holds the mesh configuration; any other may hold what it likes. */
export function validateConfigMap(configMap: ConfigMap): Finding[] {
  const text = configMap.data?.mesh;
  if (configMap.metadata.name !== 'istio' || text === undefined) return [];
  const document = parseDocument(text, { prettyErrors: false });
  const [mistake] = document.errors;
  if (mistake !== undefined)
    return [error(PATH, `is no YAML: ${mistake.message}`, 'the text under "mesh: |-" is a YAML document of its own')];
  let mesh: unknown;
  try {
    mesh = document.toJS();
  } catch (cause) {
    return [error(PATH, `cannot be read: ${(cause as Error).message}`)];
  }
  if (mesh === null || mesh === undefined) return [];
  if (typeof mesh !== 'object' || Array.isArray(mesh))
    return [error(PATH, 'must hold fields, such as "accessLogFile: /dev/stdout"')];
  return Object.entries(mesh).flatMap(([field, value]) => {
    if (!FIELDS.includes(field)) {
      const guess = nearest(field, FIELDS);
      return [
        warning(
          PATH,
          `mesh configuration: ${field} is not served yet, ignored`,
          guess === undefined ? `served: ${FIELDS.join(', ')}` : `did you mean ${guess}?`,
        ),
      ];
    }
    if (typeof value !== 'string') return [error(PATH, `mesh configuration: ${field} must be a string`)];
    if (field === 'accessLogEncoding' && !ENCODINGS.includes(value))
      return [error(PATH, `mesh configuration: accessLogEncoding is ${ENCODINGS.join(' or ')}, found "${value}"`)];
    if (field === 'accessLogFile' && value !== '' && !value.startsWith('/'))
      return [error(PATH, `mesh configuration: accessLogFile "${value}" is no absolute path`, 'use /dev/stdout')];
    return [];
  });
}
