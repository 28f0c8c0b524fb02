// What a request's method and path ask for: a verb on a resource, or a path that is none.
// https://kubernetes.io/docs/reference/access-authn-authz/authorization/#determine-the-request-verb

import { badRequest } from './status.ts';

/** Kubernetes' request verbs for resources. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A request for a resource. */
export interface ResourceRequest {
  isResource: true;
  path: string;
  /** Undefined for a method that means nothing here. */
  verb: Verb | undefined;
  /** '' is the core group. */
  group: string;
  version: string;
  /** '' for all namespaces, and for resources that have none. */
  namespace: string;
  /** Plural: `virtualservices`. */
  resource: string;
  /** '' for a collection. */
  name: string;
  /** '' or `status`, `scale`, `log`, `exec`, … */
  subresource: string;
  /** What comes after the subresource: of `proxy`. */
  rest: readonly string[];
}

/** A request for anything else: discovery, OpenAPI, health. */
export interface PathRequest {
  isResource: false;
  path: string;
  /** The path's segments, decoded. */
  segments: readonly string[];
}

export type RequestInfo = ResourceRequest | PathRequest;

/** What stands in the place of a resource after `/namespaces/NAME/` and is a subresource of the namespace. */
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);
/** Longer paths are no request of a client. */
const MAX_PATH = 4096;

/**
 * Reads method and path.
 *
 * @param url the request's target: path and query
 * @throws ApiError 400 for a path that no object can have
 */
export function requestInfo(method: string, url: string): RequestInfo {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  if (path.length > MAX_PATH) throw badRequest('the path is too long');
  const segments = path
    .split('/')
    .filter((segment, index, all) => segment !== '' || (index > 0 && index < all.length - 1));
  const decoded = segments.map(decodeSegment);
  const resource = resourceRequest(method, path, decoded, new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)));
  return resource ?? { isResource: false, path, segments: decoded };
}

function resourceRequest(
  method: string,
  path: string,
  segments: readonly string[],
  query: URLSearchParams,
): ResourceRequest | undefined {
  const [root, ...rest] = segments;
  const isCore = root === 'api';
  if (!isCore && root !== 'apis') return undefined;
  const [group, version] = isCore ? ['', rest[0]] : rest;
  let at = rest.slice(isCore ? 1 : 2);
  if (group === undefined || version === undefined || at.length === 0) return undefined;
  // The old spelling of a watch: /api/v1/watch/namespaces/x/pods
  const isOldWatch = at[0] === 'watch' && at.length > 1;
  if (isOldWatch) at = at.slice(1);
  let namespace = '';
  if (at[0] === 'namespaces' && at.length > 2 && !NAMESPACE_SUBRESOURCES.has(at[2] as string)) {
    namespace = at[1] as string;
    at = at.slice(2);
  }
  const [resource = '', name = '', subresource = '', ...more] = at;
  const watch = isOldWatch || isTrue(query.get('watch'));
  return {
    isResource: true,
    path,
    verb: verbOf(method, name, watch),
    group,
    version,
    namespace,
    resource,
    name,
    subresource,
    rest: more,
  };
}

function verbOf(method: string, name: string, watch: boolean): Verb | undefined {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== '') return 'get';
      return watch ? 'watch' : 'list';
    case 'POST':
      return 'create';
    case 'PUT':
      return 'update';
    case 'PATCH':
      return 'patch';
    case 'DELETE':
      return name === '' ? 'deletecollection' : 'delete';
    default:
      return undefined;
  }
}

function decodeSegment(segment: string): string {
  let text: string;
  try {
    text = decodeURIComponent(segment);
  } catch {
    throw badRequest(`the path has an escape that is none: ${JSON.stringify(segment)}`);
  }
  if (text === '.' || text === '..') throw badRequest(`a path segment may not be ${JSON.stringify(text)}`);
  if (/[/%\u0000-\u001f\u007f]/.test(text))
    throw badRequest(`a path segment may not contain "/", "%" or control characters: ${JSON.stringify(text)}`);
  return text;
}

/** A boolean of the query: everything but `false` and `0` is true, `?watch` too, as kube-apiserver's conversion has it. */
export function isTrue(text: string | null): boolean {
  return text !== null && text !== 'false' && text !== '0' && text !== 'False';
}
