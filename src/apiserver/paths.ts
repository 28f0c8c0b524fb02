// Paths that are no resources: health, version, discovery, OpenAPI.

import type { IncomingMessage } from 'node:http';
import type { Kind } from '../resources/kinds.ts';
import { type Answer, type ApiContext, RawBody } from './api-call.ts';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList, apiVersions } from './discovery/discovery.ts';
import { kindsOf } from './discovery/groups.ts';
import { alternativesOf } from './negotiation.ts';
import { isTrue, type PathRequest } from './request-info.ts';
import { methodNotAllowed, noSuchPath, notAcceptable } from './status.ts';

/** Health checks, which say the same thing: whoever is answered is served. */
const HEALTH = ['healthz', 'livez', 'readyz'];
/** The version of Kubernetes whose API this is. */
const KUBERNETES_VERSION = { major: '1', minor: '32' } as const;

/** Whether anyone may ask: as kube-apiserver lets everyone by default (system:public-info-viewer). */
export function isPublicPath({ segments }: PathRequest): boolean {
  return HEALTH.includes(segments[0] ?? '') || (segments[0] === 'version' && segments.length === 1);
}

/** @param version Limen's @throws ApiError */
export async function answerPath(
  info: PathRequest,
  request: IncomingMessage,
  context: ApiContext,
  version: string,
): Promise<Answer> {
  const [root = ''] = info.segments;
  const isKnown = HEALTH.includes(root) || ['', 'version', 'api', 'apis', 'openapi'].includes(root);
  if (!isKnown) throw noSuchPath();
  if (request.method !== 'GET' && request.method !== 'HEAD') throw methodNotAllowed();
  if (HEALTH.includes(root)) return health(root, request);
  if (root === 'version') return { status: 200, body: versionInfo(version) };
  const kinds = context.registry.kinds;
  if (root === 'api' || root === 'apis') return discover(info.segments, request.headers.accept, kinds);
  if (root === 'openapi') return openApi(info.segments, request, kinds, version);
  return { status: 200, body: { paths: rootPaths(kinds) } };
}

function rootPaths(kinds: readonly Kind[]): string[] {
  const paths = new Set([
    '/api',
    '/api/v1',
    '/apis',
    '/openapi/v2',
    '/openapi/v3',
    '/version',
    ...HEALTH.map((name) => `/${name}`),
  ]);
  for (const { group, versions } of kinds)
    if (group !== '')
      for (const path of [group, ...versions.map((version) => `${group}/${version}`)]) paths.add(`/apis/${path}`);
  return [...paths].sort();
}

/** https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api */
function discover([root, ...rest]: readonly string[], accept: string | undefined, kinds: readonly Kind[]): Answer {
  const [group, version] = root === 'api' ? ['', rest[0]] : rest;
  const isRoot = rest.length === 0;
  if (isRoot) {
    const form = aggregatedForm(accept);
    if (form !== undefined)
      return {
        status: 200,
        body: aggregatedDiscovery(kinds, root as 'api' | 'apis', form),
        headers: { 'content-type': `application/json;g=apidiscovery.k8s.io;v=${form};as=APIGroupDiscoveryList` },
      };
  }
  const document =
    rest.length > (root === 'api' ? 1 : 2)
      ? undefined
      : version !== undefined
        ? apiResourceList(kinds, group!, version)
        : root === 'api'
          ? apiVersions()
          : group === undefined
            ? apiGroupList(kinds)
            : apiGroup(kinds, group);
  if (document === undefined) throw noSuchPath();
  return { status: 200, body: document };
}

/** The aggregated form that a client would rather have than the other one. */
function aggregatedForm(accept: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of alternativesOf(accept)) {
    if (type !== 'application/json') continue;
    const isAggregated =
      parameters.get('as') === 'APIGroupDiscoveryList' && parameters.get('g') === 'apidiscovery.k8s.io';
    const version = parameters.get('v');
    if (isAggregated && (version === 'v2' || version === 'v2beta1')) return version;
    if (parameters.get('as') === undefined) return undefined;
  }
  return undefined;
}

/** How long a client may keep a document whose address has its hash. */
const YEAR_SECONDS = 365 * 24 * 60 * 60;

/** The documents are big and seldom asked for: they are read when they are. */
async function openApi(
  [, version, ...rest]: readonly string[],
  { url = '', headers }: IncomingMessage,
  kinds: readonly Kind[],
  release: string,
): Promise<Answer> {
  const { openApiV2, openApiV3, openApiV3Hash, openApiV3Index } = await import('./openapi/documents.ts');
  if (version === 'v2' && rest.length === 0) {
    if (acceptsJson(headers.accept)) return { status: 200, body: openApiV2(kinds) };
    const { SWAGGER_PROTOBUF, swaggerProtobuf } = await import('./openapi/swagger-protobuf.ts');
    // Older clients spell the version with an @.
    const asked = alternativesOf(headers.accept).some(({ type }) => type.replace('@', '.') === SWAGGER_PROTOBUF);
    if (!asked) throw notAcceptable(['application/json', SWAGGER_PROTOBUF]);
    return { status: 200, body: new RawBody(swaggerProtobuf(openApiV2(kinds)), SWAGGER_PROTOBUF) };
  }
  if (version !== 'v3') throw noSuchPath();
  if (rest.length === 0) return { status: 200, body: openApiV3Index(kinds, release) };
  const [root, ...names] = rest;
  const [group, groupVersion] = root === 'api' ? ['', names[0]] : root === 'apis' ? names : [];
  if (names.length !== (root === 'api' ? 1 : 2)) throw noSuchPath();
  const document = openApiV3(kinds, group!, groupVersion!);
  if (document === undefined) throw noSuchPath();
  const asked = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length)).get('hash');
  const hash = openApiV3Hash(kindsOf(kinds, group!, groupVersion!), release);
  const isKept = asked === hash;
  return {
    status: 200,
    body: document,
    headers: {
      etag: `"${hash}"`,
      ...(isKept ? { 'cache-control': `public, max-age=${YEAR_SECONDS}, immutable` } : {}),
    },
  };
}

function acceptsJson(accept: string | undefined): boolean {
  return alternativesOf(accept).some(({ type }) => ['application/json', 'application/*', '*/*'].includes(type));
}

function health(check: string, { url = '' }: IncomingMessage): Answer {
  const query = new URLSearchParams(url.slice(url.indexOf('?') + 1 || url.length));
  const isVerbose = isTrue(query.get('verbose'));
  const text = isVerbose ? `[+]ping ok\n[+]store ok\n${check} check passed\n` : 'ok';
  return { status: 200, body: new RawBody(text, 'text/plain; charset=utf-8') };
}

function versionInfo(version: string): object {
  return {
    ...KUBERNETES_VERSION,
    gitVersion: `v${KUBERNETES_VERSION.major}.${KUBERNETES_VERSION.minor}.0+limen-${version}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: `node ${process.version}`,
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
