// Field selectors of a query: `metadata.name=web,status.phase!=Running`, by the fields each kind can be selected by.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/

import { valueAt } from '../../resources/field-path.ts';
import type { ResourceObject } from '../../resources/object.ts';
import { badRequest } from '../status.ts';

/** What a field selector asks for. */
export interface FieldSelector {
  matches(object: ResourceObject): boolean;
  /** The one name it asks for, where it does: looked up instead of looked for. */
  readonly name: string | undefined;
  readonly namespace: string | undefined;
}

/** Fields besides `metadata.name` and `metadata.namespace`, by kind id. */
const SELECTABLE: Readonly<Record<string, readonly string[]>> = {
  Pod: [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'spec.hostNetwork',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  Secret: ['type'],
  Namespace: ['status.phase'],
  Node: ['spec.unschedulable'],
  Service: ['spec.clusterIP', 'spec.type'],
  Event: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    // As events.k8s.io calls them.
    'regarding.kind',
    'regarding.namespace',
    'regarding.name',
    'regarding.uid',
    'regarding.apiVersion',
    'regarding.resourceVersion',
    'regarding.fieldPath',
    'reportingController',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'ReplicaSet.apps': ['status.replicas'],
};
/** Where a name of a field is not its path. */
const PATHS: Readonly<Record<string, string>> = {
  source: 'source.component',
  reportingController: 'reportingComponent',
};

function pathOf(field: string): readonly string[] {
  return (PATHS[field] ?? field.replace(/^regarding\./, 'involvedObject.')).split('.');
}

/** @param kindId whose objects are selected @throws ApiError 400 */
export function parseFieldSelector(text: string, kindId: string): FieldSelector {
  const terms = splitTerms(text).map((term) => parseTerm(term, kindId));
  const wanted = (field: string) => terms.find((term) => term.field === field && !term.negated)?.value;
  return {
    matches: (object) =>
      terms.every(({ path, value, negated }) => (textOf(valueAt(object, path)) === value) !== negated),
    name: wanted('metadata.name'),
    namespace: wanted('metadata.namespace'),
  };
}

interface Term {
  field: string;
  path: readonly string[];
  value: string;
  negated: boolean;
}

/** Terms between commas that no backslash protects. */
function splitTerms(text: string): string[] {
  return (text.match(/(?:\\.|[^,\\])+/gs) ?? []).filter((term) => term !== '');
}

function parseTerm(term: string, kindId: string): Term {
  const match = /^([^=!]+)(==|!=|=)(.*)$/s.exec(term);
  if (match === null) throw badRequest(`invalid selector: '${term}'; can't understand '${term}'`);
  const field = match[1]!.trim();
  const isSelectable =
    field === 'metadata.name' || field === 'metadata.namespace' || (SELECTABLE[kindId] ?? []).includes(field);
  if (!isSelectable) throw badRequest(`field label not supported: ${field}`);
  const value = match[3]!.replace(/\\([\\,=])/g, '$1');
  return { field, path: pathOf(field), value, negated: match[2] === '!=' };
}

/** As the field's text: absent is '', booleans and numbers as they are written. */
function textOf(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}
