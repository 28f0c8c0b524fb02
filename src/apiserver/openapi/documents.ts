// The OpenAPI documents: `/openapi/v3` (an index, and one document for each group and version) and `/openapi/v2` (one for all).
// https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-interface-definition

import { createHash } from 'node:crypto';
import type { Kind } from '../../resources/kinds/kind.ts';
import { generatedDigest } from '../../resources/openapi/definitions.ts';
import { isKubernetesGroup, referenceTo } from '../../resources/openapi/names.ts';
import type { Schema } from '../../resources/openapi/schema.ts';
import { groupsOf, kindsOf } from '../discovery/groups.ts';
import { definitionsFor } from './definitions.ts';
import { type Operation, operationsOf, type Parameter } from './operations.ts';
import { asSwagger } from './swagger.ts';

const INFO = { title: 'Limen', description: "The Kubernetes API of Limen: Istio's configuration on one machine." };
const PATCH_TYPES = ['application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json'];
/** Of Kubernetes' own kinds alone. `kubectl apply` sends such a patch wherever the document says that it may. */
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const BODY_TYPES = ['application/json', 'application/yaml'];

/**
 * `GET /openapi/v3`: where the document of each group and version is. The hash in its address changes with the document, which clients keep.
 * @param release Limen's version: what makes the documents changes with it
 */
export function openApiV3Index(kinds: Iterable<Kind>, release: string): object {
  const paths: Record<string, { serverRelativeURL: string }> = {};
  for (const { name, versions, kinds: ofGroup } of groupsOf(kinds))
    for (const version of versions) {
      const path = name === '' ? `api/${version}` : `apis/${name}/${version}`;
      paths[path] = {
        serverRelativeURL: `/openapi/v3/${path}?hash=${openApiV3Hash(kindsOf(ofGroup, name, version), release)}`,
      };
    }
  return { paths };
}

/** What tells one document of a group and version from the next: a digest of the kinds that it describes, and of who describes them. */
export function openApiV3Hash(kinds: readonly Kind[], release: string): string {
  const facts = kinds.map((kind) => [kind, kind.schemas && [...kind.schemas]]);
  return createHash('sha256')
    .update(JSON.stringify([release, generatedDigest(), facts]))
    .digest('hex')
    .toUpperCase();
}

/** `GET /openapi/v3/api/v1` (group `''`) or `/openapi/v3/apis/<group>/<version>`; undefined when there is no such version. */
export function openApiV3(kinds: Iterable<Kind>, group: string, version: string): object | undefined {
  const found = kindsOf(kinds, group, version);
  if (found.length === 0) return undefined;
  return {
    openapi: '3.0.0',
    info: { ...INFO, version },
    paths: byPath(
      found.flatMap((kind) => operationsOf(kind, version)),
      operationV3,
    ),
    components: {
      schemas: Object.fromEntries(definitionsFor(found.map((kind) => ({ kind, version })))),
      securitySchemes: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
    },
  };
}

/** `GET /openapi/v2`: all groups and versions in one document. */
export function openApiV2(kinds: Iterable<Kind>): object {
  const all = [...kinds].flatMap((kind) => kind.versions.map((version) => ({ kind, version })));
  const definitions = [...definitionsFor(all)].map(([name, schema]) => [name, asSwagger(name, schema)] as const);
  return {
    swagger: '2.0',
    info: { ...INFO, version: 'v1' },
    paths: byPath(
      all.flatMap(({ kind, version }) => operationsOf(kind, version)),
      operationV2,
    ),
    definitions: Object.fromEntries(definitions),
    securityDefinitions: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
  };
}

function byPath<Shape>(operations: readonly Operation[], describe: (operation: Operation) => Shape) {
  const paths: Record<string, Record<string, Shape>> = {};
  for (const operation of operations) {
    const { path, method } = operation;
    paths[path] ??= {};
    paths[path][method] = describe(operation);
  }
  return paths;
}

function common({ id, description, kind, action }: Operation) {
  return {
    operationId: id,
    description,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': kind,
  };
}

function bodyTypes({ action, request, kind }: Operation): string[] {
  if (request === undefined) return [];
  if (action !== 'patch') return BODY_TYPES;
  return isKubernetesGroup(kind.group) ? [...PATCH_TYPES, STRATEGIC_PATCH] : PATCH_TYPES;
}

function operationV3(operation: Operation) {
  const { request, response, parameters } = operation;
  const content = (types: readonly string[], name: string) =>
    Object.fromEntries(types.map((type) => [type, { schema: { $ref: referenceTo(name) } }]));
  return {
    ...common(operation),
    parameters: parameters.map(({ type, ...parameter }) => ({
      ...parameter,
      ...required(parameter),
      schema: { type },
    })),
    ...(request === undefined ? {} : { requestBody: { content: content(bodyTypes(operation), request) } }),
    responses: { 200: { description: 'OK', content: content(BODY_TYPES, response) } },
  };
}

function operationV2(operation: Operation) {
  const { request, response, parameters } = operation;
  const refer = (name: string): Schema => ({ $ref: `#/definitions/${name}` });
  return {
    ...common(operation),
    ...(request === undefined ? {} : { consumes: bodyTypes(operation) }),
    produces: BODY_TYPES,
    parameters: [
      ...parameters.map((parameter) => ({ ...parameter, ...required(parameter) })),
      ...(request === undefined ? [] : [{ name: 'body', in: 'body', required: true, schema: refer(request) }]),
    ],
    responses: { 200: { description: 'OK', schema: refer(response) } },
  };
}

function required(parameter: Pick<Parameter, 'in'>): { required?: true } {
  return parameter.in === 'path' ? { required: true } : {};
}
