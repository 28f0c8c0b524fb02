// Generates src/resources/openapi/gen: the OpenAPI definitions of the kinds that Limen's API has, and of all they refer to, from the
// npm packages kubernetes-models, @kubernetes-models/istio and @kubernetes-models/gateway-api. Runs from `npm ci` (prepare) and `npm run generate`.
//
// The packages have a type declaration and a compiled validator for each kind: names, descriptions and structure come from the
// declaration, all constraints from the validator. One file for each group and version, so that what is asked for is what is read.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { KINDS } from '../src/resources/kinds.ts';
import { definitionPrefix, referenceTo } from '../src/resources/openapi/names.ts';
import type { Schema } from '../src/resources/openapi/schema.ts';
import { DEFAULTS } from './openapi/defaults.ts';
import { MERGING } from './openapi/merging.ts';
import { readDeclaration } from './openapi/type-declarations.ts';
import { readValidator } from './openapi/validators.ts';

const project = join(import.meta.dirname, '..');
const modules = join(project, 'node_modules');
const target = join(project, 'src/resources/openapi/gen');

/** Types that stand for themselves in JSON: a declaration in TypeScript can't say what they are. */
const HAND_MADE: Readonly<Record<string, Schema>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': {
    description:
      'A fixed-point number with an optional unit: a decimal or binary SI suffix (m, k, M, Ki, Mi, …) or an exponent, as in 500m, 1.5Gi or 12e6.',
    oneOf: [{ type: 'string' }, { type: 'number' }],
    format: 'quantity',
  },
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': {
    description: 'A number (of a port, of pods) or a text (the name of a port, a percentage).',
    oneOf: [{ type: 'string' }, { type: 'integer' }],
    format: 'int-or-string',
    'x-kubernetes-int-or-string': true,
  },
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': { type: 'string', format: 'date-time' },
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': { type: 'string', format: 'date-time' },
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON': anything('Any JSON value.'),
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray': anything('A schema, or several.'),
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool':
    anything('A schema, or true or false.'),
  'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray': anything(
    'A schema, or names of properties.',
  ),
  // The package's declaration stops at metadata: the definition of the cluster has no schema of the rest either.
  'io.istio.install.v1alpha1.IstioOperator': {
    description: 'How to install Istio: https://istio.io/latest/docs/reference/config/istio.operator.v1alpha1/',
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { allOf: [{ $ref: referenceTo('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta') }] },
    },
    'x-kubernetes-preserve-unknown-fields': true,
  },
};

/** What the API itself refers to, whatever the kind. */
const ALWAYS = ['DeleteOptions', 'ListMeta', 'Patch', 'Status', 'WatchEvent'].map((name) =>
  join(modules, '@kubernetes-models/apimachinery/apis/meta/v1', name),
);

const MESSAGES = {
  apiVersion:
    'APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources',
  kind: 'Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds',
};

function anything(description: string): Schema {
  return { description, 'x-kubernetes-preserve-unknown-fields': true };
}

/** The path of a model without extension, `…/kubernetes-models/apps/v1/Deployment`, as the name of its definition. */
function nameOf(model: string): string {
  const path = relative(modules, model).split('/');
  const from = path[0] === '@kubernetes-models' ? 2 : 1;
  const [version, name] = path.slice(-2) as [string, string];
  const group = path.slice(from, -2);
  if (path[1] === 'apimachinery') return ['io.k8s.apimachinery.pkg', ...group, version, name].join('.');
  return `${definitionPrefix(group.join('.'), version)}.${name}`;
}

function packageOf(group: string): string {
  if (group.endsWith('.istio.io')) return '@kubernetes-models/istio';
  return group === 'gateway.networking.k8s.io' ? '@kubernetes-models/gateway-api' : 'kubernetes-models';
}

const definitions = new Map<string, Schema>();

/** Adds the definition of a model and of all it refers to. */
function define(model: string): string {
  const name = nameOf(model);
  if (definitions.has(name)) return name;
  const handMade = HAND_MADE[name];
  if (handMade !== undefined) {
    definitions.set(name, handMade);
    return name;
  }
  definitions.set(name, {}); // it may refer to itself
  const { schema, bases, imports } = readDeclaration(readFileSync(`${model}.d.ts`, 'utf8'), basename(model));
  const refer = (type: string): string => {
    const module = imports.get(type);
    if (module === undefined) {
      if (type !== `I${basename(model)}`) throw new Error(`${name} refers to ${type}, which is not declared`);
      return name;
    }
    const path = module.replace(/\.js$/, '');
    return define(path.startsWith('.') ? join(dirname(model), path) : join(modules, path));
  };
  const merged = merge(schema, validatorOf(model), refer);
  for (const base of bases) {
    const { properties, required = [] } = definitions.get(refer(base))!;
    merged.properties = { ...properties, ...merged.properties };
    delete merged['x-kubernetes-preserve-unknown-fields'];
    if (required.length > 0) merged.required = [...new Set([...required, ...(merged.required ?? [])])];
  }
  for (const [path, extensions] of Object.entries(MERGING[name] ?? {})) {
    const place = path === '' ? merged : merged.properties?.[path];
    if (place === undefined) throw new Error(`scripts/openapi/merging.ts: ${name} has no ${path}`);
    Object.assign(place, extensions);
  }
  for (const [property, value] of Object.entries(DEFAULTS[name] ?? {})) {
    const place = merged.properties?.[property];
    if (place === undefined) throw new Error(`scripts/openapi/defaults.ts: ${name} has no ${property}`);
    place.default = value;
  }
  definitions.set(name, merged);
  return name;
}

/** What the compiled validator of a model checks; nothing where it has none. */
function validatorOf(model: string): Schema | undefined {
  const code = readFileSync(`${model}.js`, 'utf8');
  const imported = /from"((?:\.\.?\/)+_schemas\/\w+\.js)"/.exec(code)?.[1];
  const alias = /^export type \{ I\w+ as I(\w+)/m.exec(readFileSync(`${model}.d.ts`, 'utf8'))?.[1];
  let file = imported === undefined ? undefined : join(dirname(model), imported);
  for (let folder = dirname(model); file === undefined && folder.length > modules.length; folder = dirname(folder))
    if (existsSync(join(folder, '_schemas'))) file = join(folder, '_schemas', `${alias}.js`);
  return file !== undefined && existsSync(file) ? readValidator(readFileSync(file, 'utf8')) : undefined;
}

/** The schema of a place: structure and descriptions as declared, constraints as checked. */
function merge(declared: Schema, checked: Schema | undefined, refer: (type: string) => string): Schema {
  const { description, $ref } = declared;
  const told = description === undefined ? {} : { description };
  const { properties: _, items: __, additionalProperties: ___, ...constraints } = checked ?? {};
  if ($ref !== undefined) {
    // A validator may ask more of a place than the type it refers to does: a PortNumber says its range where it is used.
    const { type: _, ...more } = constraints;
    const reference = { $ref: referenceTo(refer($ref)) };
    const beside = { ...told, ...more };
    return Object.keys(beside).length === 0 ? reference : { ...beside, allOf: [reference] };
  }
  if (declared['x-kubernetes-int-or-string'])
    return { ...told, anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true };
  const merged: Schema = { ...told, ...constraints };
  const type = checked?.type ?? declared.type;
  if (type !== undefined) merged.type = type;
  if (checked === undefined) {
    if (declared.required !== undefined) merged.required = declared.required;
    if (declared.enum !== undefined) merged.enum = declared.enum;
  }
  if (declared.properties !== undefined)
    merged.properties = Object.fromEntries(
      Object.entries(declared.properties).map(([name, property]) => [
        name,
        merge(property, checked?.properties?.[name], refer),
      ]),
    );
  if (declared.items !== undefined) merged.items = merge(declared.items, checked?.items, refer);
  const values = declared.additionalProperties;
  if (typeof values === 'object') {
    const inner = checked?.additionalProperties;
    merged.additionalProperties = merge(values, typeof inner === 'object' ? inner : undefined, refer);
  }
  const free = type === undefined || (type === 'object' && !merged.properties && !merged.additionalProperties);
  if (free) merged['x-kubernetes-preserve-unknown-fields'] = true;
  return merged;
}

/** The root of an object: `apiVersion` and `kind` are the same text for all of them, and the path of a request says them too. */
function asKind(schema: Schema, gvk: { group: string; version: string; kind: string }): Schema {
  const required = schema.required?.filter((field) => field !== 'apiVersion' && field !== 'kind') ?? [];
  const { required: _, ...rest } = schema;
  return {
    ...rest,
    ...(required.length === 0 ? {} : { required }),
    properties: {
      ...schema.properties,
      apiVersion: { description: MESSAGES.apiVersion, type: 'string' },
      kind: { description: MESSAGES.kind, type: 'string' },
    },
    'x-kubernetes-group-version-kind': [gvk],
  };
}

for (const model of ALWAYS) define(model);
const roots = [
  ...KINDS.map(({ group, versions, name }) => ({ group, version: versions[0], kind: name })),
  { group: 'autoscaling', version: 'v1', kind: 'Scale' },
];
for (const root of roots) {
  const model = join(modules, packageOf(root.group), root.group, root.version, root.kind);
  const name = define(model);
  definitions.set(name, asKind(definitions.get(name)!, root));
}
for (const name of Object.keys(MERGING))
  if (!definitions.has(name)) throw new Error(`merging.ts: no definition ${name}`);

const files = new Map<string, Record<string, Schema>>();
for (const name of [...definitions.keys()].sort()) {
  const prefix = name.slice(0, name.lastIndexOf('.'));
  let file = files.get(prefix);
  if (file === undefined) {
    file = {};
    files.set(prefix, file);
  }
  file[name] = definitions.get(name)!;
}
const unfinished = `${target}.${process.pid}.tmp`;
rmSync(unfinished, { recursive: true, force: true });
mkdirSync(unfinished, { recursive: true });
let size = 0;
const digest = createHash('sha256');
for (const [prefix, schemas] of files) {
  const text = JSON.stringify(schemas);
  size += text.length;
  digest.update(text);
  writeFileSync(join(unfinished, `${prefix}.json`), text);
}
writeFileSync(join(unfinished, 'digest.txt'), digest.digest('hex'));
rmSync(target, { recursive: true, force: true });
renameSync(unfinished, target);
console.log(`src/resources/openapi/gen: ${definitions.size} definitions, ${Math.round(size / 1024)} KiB`);
