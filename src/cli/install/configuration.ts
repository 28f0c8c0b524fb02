// What is to be installed: the IstioOperators of `-f` and the `--set`s as one object, or what is wrong with them, with file and line.

import { statSync } from 'node:fs';
import { type FieldPath, formatFieldPath } from '../../resources/field-path.ts';
import { error, type Finding } from '../../resources/finding.ts';
import type { IstioOperatorSpec } from '../../resources/istio-operator.ts';
import { lookUpKind } from '../../resources/kinds.ts';
import { checkName } from '../../resources/names.ts';
import { nearest } from '../../resources/nearest.ts';
import type { ResourceObject } from '../../resources/object.ts';
import type { Problem } from '../../resources/problem.ts';
import { checkSchema } from '../../resources/schema/check.ts';
import { withoutNulls } from '../../resources/without-nulls.ts';
import { checkConfiguration, configure, type Origin } from '../../workloads/install/configure.ts';
import { ROOT_NAMESPACE } from '../../workloads/install/gateway-objects.ts';
import { manifestOf } from '../../workloads/install/manifest.ts';
import { readDocuments, type WrittenDocument } from '../kubernetes/written-documents.ts';
import type { ConfigurationOptions } from './options.ts';

/** What was read. */
export interface Configuration {
  /** The one IstioOperator; undefined when one of the problems is an error. */
  readonly operator: ResourceObject | undefined;
  readonly problems: readonly Problem[];
}

/** An IstioOperator as it is written. Its metadata may be left out, as in Istio's documentation. */
interface WrittenOperator {
  readonly metadata: Partial<ResourceObject['metadata']>;
  readonly spec: IstioOperatorSpec;
  readonly place: WrittenDocument['place'];
}

const API_VERSION = 'install.istio.io/v1alpha1';
const KIND = 'IstioOperator';
const FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status'];
/** What istioctl calls the object that it leaves behind, of a file with a name `installed-state-NAME`. */
const INSTALLED_STATE = 'installed-state';

/**
 * Reads, checks and lays over each other what the command line names.
 * @throws Error for the user: a `--set` that is none
 */
export async function readConfiguration(
  { filename = [], set = [], namespace }: ConfigurationOptions,
  standardInput: NodeJS.ReadableStream,
): Promise<Configuration> {
  const paths = [...new Set(filename)];
  const folders = paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory());
  const files = paths.filter((path) => !folders.includes(path));
  const { documents, problems } = await readDocuments(files, standardInput);
  for (const path of folders)
    problems.push(problemOf(path, error([], 'is a folder', 'name its files, in their order')));
  const written: WrittenOperator[] = [];
  for (const path of files) {
    const own = documents.filter((document) => document.path === path);
    const [first, second] = own;
    if (second !== undefined) problems.push(several(path, second));
    else if (first !== undefined) {
      const findings = headFindings(first.value);
      for (const finding of findings) problems.push(problemAt(first.place, finding));
      if (findings.length === 0) written.push(operatorIn(first));
    } else if (problems.length === 0) problems.push(problemOf(path, error([], 'holds no IstioOperator', EXAMPLE)));
  }
  const specs = written.map(({ spec }) => spec);
  for (const { origin, finding } of checkConfiguration(specs, set)) problems.push(placed(origin, finding, written));
  if (problems.some(({ severity }) => severity === 'error')) return { operator: undefined, problems };
  return { operator: operatorOf(written, configure(specs, set), namespace), problems };
}

/** The object as it is stored. That of the mesh is in the mesh's namespace, whatever `-n` says, so that there is one. */
function operatorOf(
  written: readonly WrittenOperator[],
  spec: IstioOperatorSpec,
  namespace: string = ROOT_NAMESPACE,
): ResourceObject {
  const metadata: WrittenOperator['metadata'] = Object.assign({}, ...written.map((each) => each.metadata));
  const { name = '', labels, annotations } = metadata;
  const object = {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: {
      name: installedName(name),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    spec,
  };
  const place = metadata.namespace ?? (manifestOf(object).hasControlPlane ? ROOT_NAMESPACE : namespace);
  return { ...object, metadata: { ...object.metadata, namespace: place } };
}

/** One that was read from the API comes back under its own name. */
function installedName(name: string): string {
  if (name === '') return INSTALLED_STATE;
  return name === INSTALLED_STATE || name.startsWith(`${INSTALLED_STATE}-`) ? name : `${INSTALLED_STATE}-${name}`;
}

const EXAMPLE = `it begins with "apiVersion: ${API_VERSION}" and "kind: ${KIND}"`;

function several(path: string, second: WrittenDocument): Problem {
  const { kind } = (typeof second.value === 'object' ? second.value : {}) as { kind?: unknown };
  return {
    severity: 'error',
    ...second.place([]),
    message:
      kind === KIND
        ? `${path} contains multiple IstioOperator CRs, only one per file is supported`
        : `${path} contains something else besides the IstioOperator`,
    hint: kind === KIND ? 'put each into a file of its own, and give each file with -f' : OTHERS,
  };
}

const OTHERS = 'what is no IstioOperator is for "limen apply -f" or kubectl';

/** What is wrong with the document around the spec. */
function headFindings(value: unknown): Finding[] {
  const fields = (typeof value === 'object' ? value : {}) as Record<string, unknown>;
  const { apiVersion, kind } = fields;
  const metadata = fields.metadata ?? {};
  if (kind !== KIND)
    return [
      kind === undefined
        ? error([], 'is no IstioOperator', EXAMPLE)
        : error(['kind'], `is no IstioOperator, but ${String(kind)}`, OTHERS),
    ];
  if (apiVersion !== API_VERSION)
    return [error(['apiVersion'], `expected ${API_VERSION}${apiVersion === undefined ? '' : `, found ${apiVersion}`}`)];
  const found = lookUpKind(API_VERSION, KIND);
  if (found.found !== 'served') throw new Error(`${KIND} is no kind that is served`);
  const unknown = Object.keys(fields).filter((name) => !FIELDS.includes(name));
  const object = withoutNulls({
    ...fields,
    metadata: isMapping(metadata) ? { ...metadata, name: metadata.name ?? UNNAMED } : metadata,
  }) as Record<string, unknown>;
  return [
    ...unknown.map((name): Finding => {
      const guess = nearest(name, FIELDS);
      const hint = guess === undefined ? 'settings stand under "spec:"' : `did you mean ${guess}?`;
      return { ...error([name], 'unknown field', hint), at: 'key' };
    }),
    ...(isMapping(object.metadata) ? checkName(found.kind, object.metadata) : []),
    ...checkSchema(found.kind, object),
  ];
}

/** Stands for the name that a file does not give. */
const UNNAMED = 'unnamed';

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function operatorIn({ value, place }: WrittenDocument): WrittenOperator {
  const { metadata = {}, spec = {} } = withoutNulls(value) as Partial<WrittenOperator>;
  return { metadata, spec, place };
}

function placed(origin: Origin, finding: Finding, written: readonly WrittenOperator[]): Problem {
  if ('file' in origin) return problemAt((written[origin.file] as WrittenOperator).place, finding);
  return problemOf('setting' in origin ? `--set ${origin.setting}` : `profile ${origin.profile}`, finding);
}

function problemAt(place: WrittenDocument['place'], finding: Finding): Problem {
  return { ...problemOf('', finding), ...place(finding.path, finding.at) };
}

/** A problem of what has no lines. */
function problemOf(file: string, { path, severity, message, hint }: Finding): Problem {
  const field = fieldOf(path);
  return { severity, file, line: 0, column: 0, ...field, message, ...(hint === undefined ? {} : { hint }) };
}

function fieldOf(path: FieldPath): { field?: string } {
  return path.length === 0 ? {} : { field: formatFieldPath(path) };
}
