// What can be done with a kind, as OpenAPI's paths and operations: one description for both versions of OpenAPI.

import { apiVersionOf, type Kind, listKindOf, type Subresource } from '../../resources/kinds/kind.ts';
import { definitionName } from '../../resources/openapi/names.ts';
import type { GroupVersionKind } from '../../resources/openapi/schema.ts';

/** One HTTP method of one path. */
export interface Operation {
  path: string;
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** Kubernetes' verb for it, `x-kubernetes-action`. */
  action: string;
  id: string;
  description: string;
  kind: GroupVersionKind;
  /** The definition of what is sent. */
  request?: string;
  /** The definition of what is answered. */
  response: string;
  parameters: readonly Parameter[];
}

/** A parameter of the query or of the path. */
export interface Parameter {
  name: string;
  in: 'query' | 'path';
  type: 'string' | 'integer' | 'boolean';
  description: string;
}

function query(name: string, type: Parameter['type'], description: string): Parameter {
  return { name, in: 'query', type, description };
}

const NAMESPACE: Parameter = {
  name: 'namespace',
  in: 'path',
  type: 'string',
  description: 'object name and auth scope, such as for teams and projects',
};
const DRY_RUN = query('dryRun', 'string', 'All: every stage of the request is gone through, and nothing is stored.');
const CHANGES: readonly Parameter[] = [
  DRY_RUN,
  query('fieldManager', 'string', 'The name of whoever makes the change.'),
  query('fieldValidation', 'string', 'What to do with fields that are unknown or there twice: Ignore, Warn or Strict.'),
];
const LISTS: readonly Parameter[] = [
  query('allowWatchBookmarks', 'boolean', 'Ask for BOOKMARK events.'),
  query('continue', 'string', 'Where to go on: from the answer to the request before.'),
  query('fieldSelector', 'string', 'Only objects whose fields have these values.'),
  query('labelSelector', 'string', 'Only objects whose labels have these values.'),
  query('limit', 'integer', 'How many objects to answer at most.'),
  query('resourceVersion', 'string', 'Which version the answer may be of.'),
  query('resourceVersionMatch', 'string', 'How resourceVersion is meant: Exact or NotOlderThan.'),
  query('sendInitialEvents', 'boolean', 'Begin a watch with the objects there are.'),
  query('timeoutSeconds', 'integer', 'How long to answer at most.'),
  query('watch', 'boolean', 'Stream changes instead of a list.'),
];
const DELETES: readonly Parameter[] = [
  DRY_RUN,
  query('gracePeriodSeconds', 'integer', 'How long the object has to end.'),
  query('propagationPolicy', 'string', 'What happens to objects it owns: Orphan, Background or Foreground.'),
];
const FORCE = query('force', 'boolean', 'Take over fields that others own. For server-side apply only.');

const STATUS = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';
const PATCH = 'io.k8s.apimachinery.pkg.apis.meta.v1.Patch';
const DELETE_OPTIONS = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';

/** Every operation on a kind in one version. */
export function operationsOf(kind: Kind, version: string): Operation[] {
  const root = `/${kind.group === '' ? 'api' : 'apis'}/${apiVersionOf(kind, version)}`;
  const scope = kind.namespaced ? '/namespaces/{namespace}' : '';
  const all = `${root}${scope}/${kind.plural}`;
  const own = definitionName(kind.group, version, kind.name);
  const list = definitionName(kind.group, version, listKindOf(kind));
  const gvk = { group: kind.group, version, kind: kind.name };
  const inNamespace = kind.namespaced ? [NAMESPACE] : [];
  const name: Parameter = { name: 'name', in: 'path', type: 'string', description: `name of the ${kind.name}` };
  const suffix = `${pascal(apiVersionOf(kind, version))}${kind.namespaced ? 'Namespaced' : ''}${kind.name}`;
  const operations: Operation[] = [];
  const add = (
    verb: string,
    path: string,
    operation: Pick<Operation, 'method' | 'action' | 'description' | 'response' | 'parameters'> & { request?: string },
    id = `${operation.action}${suffix}`,
  ) => {
    if (kind.verbs.includes(verb)) operations.push({ path, id, kind: gvk, ...operation });
  };
  const of = (verb: string) => `${verb} objects of kind ${kind.name}`;
  add('list', all, {
    method: 'get',
    action: 'list',
    description: of('list or watch'),
    response: list,
    parameters: [...inNamespace, ...LISTS],
  });
  add('create', all, {
    method: 'post',
    action: kind.verbs.includes('get') ? 'post' : 'create',
    description: `create a ${kind.name}`,
    request: own,
    response: own,
    parameters: [...inNamespace, ...CHANGES],
  });
  add('deletecollection', all, {
    method: 'delete',
    action: 'deletecollection',
    description: of('delete the selected'),
    request: DELETE_OPTIONS,
    response: STATUS,
    parameters: [...inNamespace, ...LISTS, ...DELETES],
  });
  if (kind.namespaced)
    add(
      'list',
      `${root}/${kind.plural}`,
      {
        method: 'get',
        action: 'list',
        description: `${of('list or watch')} in all namespaces`,
        response: list,
        parameters: LISTS,
      },
      `list${pascal(apiVersionOf(kind, version))}${kind.name}ForAllNamespaces`,
    );
  const one = `${all}/{name}`;
  const place = [...inNamespace, name];
  for (const [path, verbs, shape, title] of [
    [one, kind.verbs, own, ''] as const,
    ...kind.subresources.map((sub) => [`${one}/${sub.name}`, sub.verbs, shapeOf(sub, own), sub.name] as const),
  ]) {
    const what = title === '' ? `the ${kind.name}` : `${title} of the ${kind.name}`;
    const end = `${suffix}${pascal(title)}`;
    const supports = (verb: string) => verbs.includes(verb);
    const push = (operation: Omit<Operation, 'path' | 'kind' | 'id'>) =>
      operations.push({ path, kind: gvk, id: `${operation.action}${end}`, ...operation });
    if (supports('get'))
      push({
        method: 'get',
        action: title !== '' && supports('create') ? 'connect' : 'get',
        description: `read ${what}`,
        response: shape,
        parameters: place,
      });
    if (title !== '' && supports('create'))
      push({
        method: 'post',
        action: supports('get') ? 'connectPost' : 'post',
        description: `connect to ${what}`,
        response: shape,
        parameters: place,
      });
    if (supports('update'))
      push({
        method: 'put',
        action: 'put',
        description: `replace ${what}`,
        request: shape,
        response: shape,
        parameters: [...place, ...CHANGES],
      });
    if (supports('patch'))
      push({
        method: 'patch',
        action: 'patch',
        description: `change parts of ${what}`,
        request: PATCH,
        response: shape,
        parameters: [...place, ...CHANGES, FORCE],
      });
    if (title === '' && supports('delete'))
      push({
        method: 'delete',
        action: 'delete',
        description: `delete ${what}`,
        request: DELETE_OPTIONS,
        response: STATUS,
        parameters: [...place, ...DELETES],
      });
  }
  return operations;
}

function shapeOf({ kind }: Subresource, own: string): string {
  // Of the kinds of subresources only Scale has a definition: the others are options of a stream.
  return kind?.kind === 'Scale' ? definitionName(kind.group, kind.version, kind.kind) : own;
}

/** `networking.istio.io/v1` as `NetworkingIstioIoV1`. */
function pascal(text: string): string {
  return text
    .split(/[^A-Za-z0-9]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
