// ConfigMap `istio`: the mesh configuration in it is YAML, and what mesh-config.ts says.

import { parseDocument } from 'yaml';
import { formatFieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import type { ConfigMap } from '../types.ts';
import { checkMeshConfig, UNKNOWN_FIELD } from './mesh-config.ts';

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
  return checkMeshConfig(mesh as Record<string, unknown>).map(({ path, message, severity, hint }) => {
    const text = `mesh configuration: ${formatFieldPath(path)}: ${message}`;
    // A field that istiod does not know is no reason for it to do without the others.
    return severity === 'warning' || message === UNKNOWN_FIELD ? warning(PATH, text, hint) : error(PATH, text, hint);
  });
}
