// Which form of an answer a client accepts: the object itself, a table of it, or its metadata alone, as JSON or YAML.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#alternate-representations-of-resources

import { notAcceptable } from './status.ts';

/** The form of an answer. */
export interface Representation {
  format: 'json' | 'yaml';
  /** What is shown of an object. */
  as: 'object' | 'Table' | 'PartialObjectMetadata';
  /** The Content-Type of the answer. */
  contentType: string;
}

const ACCEPTED = [
  'application/json',
  'application/yaml',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
];
const TRANSFORMS: Readonly<Record<string, Representation['as']>> = {
  Table: 'Table',
  PartialObjectMetadata: 'PartialObjectMetadata',
  // Asked for by older clients for lists; the list's own kind follows from what is listed.
  PartialObjectMetadataList: 'PartialObjectMetadata',
};
/** A header with more alternatives is no client's. */
const MAX_ALTERNATIVES = 32;

/**
 * The best of what the client accepts.
 *
 * @param accept the Accept header; absent means anything
 * @throws ApiError 406 when nothing of it can be served
 */
export function negotiate(accept: string | undefined): Representation {
  for (const { type, parameters } of alternativesOf(accept)) {
    const found = represent(type, parameters);
    if (found !== undefined) return found;
  }
  throw notAcceptable(ACCEPTED);
}

/** One alternative of an Accept header. */
export interface Alternative {
  /** In lower case. */
  type: string;
  parameters: ReadonlyMap<string, string>;
  quality: number;
}

/** What an Accept header accepts, the best first. */
export function alternativesOf(accept: string | undefined): Alternative[] {
  return (accept ?? '*/*')
    .split(',', MAX_ALTERNATIVES)
    .map(parseAlternative)
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality); // stable: of equal ones the first
}

function parseAlternative(text: string): Alternative {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  const parameters = new Map<string, string>();
  for (const part of rest) {
    const equals = part.indexOf('=');
    if (equals > 0) parameters.set(part.slice(0, equals).toLowerCase(), part.slice(equals + 1));
  }
  const quality = Number(parameters.get('q') ?? 1);
  return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality };
}

function represent(type: string, parameters: ReadonlyMap<string, string>): Representation | undefined {
  const isAny = type === '*/*' || type === 'application/*';
  const format = isAny || type === 'application/json' ? 'json' : type === 'application/yaml' ? 'yaml' : undefined;
  if (format === undefined) return undefined;
  const asked = parameters.get('as');
  const contentType = `application/${format}`;
  if (asked === undefined) return { format, as: 'object', contentType };
  if (parameters.get('g') !== 'meta.k8s.io' || parameters.get('v') !== 'v1' || !Object.hasOwn(TRANSFORMS, asked))
    return undefined;
  return { format, as: TRANSFORMS[asked]!, contentType };
}
