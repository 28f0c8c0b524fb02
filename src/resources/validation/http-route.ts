// HTTP routes of a VirtualService: matches, what a route does, and how it changes requests and responses.

import { STATUS_CODES } from 'node:http';
import type { FieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import { isDnsLabel } from '../names.ts';
import { nearest } from '../nearest.ts';
import type { HttpRoute } from '../types.ts';
import { checkCors } from './cors.ts';
import { checkDestination, checkDestinations } from './destination.ts';
import { checkFault } from './fault.ts';
import { checkHeaderValue, checkOneLine } from './proxy-values.ts';
import {
  checkDuration,
  checkGatewayNames,
  checkLabels,
  checkPercent,
  checkPort,
  checkRegex,
  checkStringMatch,
  isHeaderName,
  type StringMatch,
} from './syntax.ts';

type HttpMatch = NonNullable<HttpRoute['match']>[number];
type Headers = NonNullable<HttpRoute['headers']>;

/** https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute */
export function checkHttpRoute(route: HttpRoute, path: FieldPath, options: { isDelegate: boolean }): Finding[] {
  const findings = checkAction(route, path, options.isDelegate);
  const usesDelegation = options.isDelegate || route.delegate !== undefined;
  for (const [index, match] of (route.match ?? []).entries())
    findings.push(...checkMatch(match, [...path, 'match', index], usesDelegation));
  findings.push(...checkHeaders(route.headers, [...path, 'headers']));
  findings.push(...checkDestinations(route.route ?? [], [...path, 'route']));
  for (const [index, { headers }] of (route.route ?? []).entries())
    findings.push(...checkHeaders(headers, [...path, 'route', index, 'headers']));
  if (route.timeout !== undefined) findings.push(...checkDuration([...path, 'timeout'], route.timeout, { zero: true }));
  findings.push(...checkRetries(route.retries, [...path, 'retries']));
  findings.push(...checkRewrite(route, path));
  findings.push(...checkMirrors(route, path));
  findings.push(...checkFault(route.fault, [...path, 'fault']));
  findings.push(...checkCors(route.corsPolicy, [...path, 'corsPolicy']));
  return findings;
}

/** What a route does with a request: exactly one of these. */
const ACTIONS = ['route', 'redirect', 'directResponse', 'delegate'] as const;

function checkAction(route: HttpRoute, path: FieldPath, isDelegate: boolean): Finding[] {
  const findings: Finding[] = [];
  const actions = ACTIONS.filter((action) =>
    action === 'route' ? (route.route ?? []).length > 0 : route[action] !== undefined,
  );
  if (actions.length === 0) {
    findings.push({
      ...error(
        [...path],
        'does nothing: one of route, redirect, directResponse and delegate is required',
        'for example "route: [{destination: {host: my-service}}]"',
      ),
      at: 'key',
    });
  }
  for (const action of actions.slice(1))
    findings.push(
      error([...path, action], `cannot stand beside ${actions[0]}`, 'a route does one thing: delete one of the two'),
    );
  if (isDelegate && route.delegate !== undefined)
    findings.push(error([...path, 'delegate'], 'a delegate cannot delegate again', 'route to a destination here'));
  const [action] = actions;
  if (action === 'redirect' || action === 'directResponse') {
    for (const field of ['fault', 'rewrite'] as const)
      if (route[field] !== undefined)
        findings.push(error([...path, field], `cannot stand beside ${action}`, 'delete one of the two'));
  }
  const { redirect, directResponse, delegate } = route;
  if (delegate !== undefined) {
    if (!delegate.name)
      findings.push(error([...path, 'delegate', 'name'], 'is required', 'the name of a VirtualService without hosts'));
  }
  if (redirect !== undefined) {
    const at = [...path, 'redirect'];
    if (
      !redirect.uri &&
      !redirect.authority &&
      !redirect.scheme &&
      redirect.port === undefined &&
      redirect.derivePort === undefined
    )
      findings.push(error(at, 'changes nothing', 'set at least one of uri, authority, scheme and port'));
    if (
      redirect.redirectCode !== undefined &&
      redirect.redirectCode !== 0 &&
      (redirect.redirectCode < 300 || redirect.redirectCode > 399)
    )
      findings.push(
        error([...at, 'redirectCode'], `${redirect.redirectCode} is no redirect`, '301, 302, 303, 307 or 308'),
      );
    if (redirect.scheme && redirect.scheme !== 'http' && redirect.scheme !== 'https')
      findings.push(error([...at, 'scheme'], `"${redirect.scheme}" is not http or https`));
    findings.push(...checkOneLine([...at, 'uri'], redirect.uri));
    findings.push(...checkOneLine([...at, 'authority'], redirect.authority));
    if (redirect.port !== undefined && redirect.port > 0) findings.push(...checkPort([...at, 'port'], redirect.port));
  }
  if (directResponse !== undefined) {
    const { status, body } = directResponse;
    const at = [...path, 'directResponse'];
    if (status < 200 || status > 599)
      findings.push(error([...at, 'status'], `${status} is no final status`, 'a number from 200 to 599'));
    const size = Buffer.byteLength(body?.string ?? body?.bytes ?? '');
    if (size > 1024 * 1024) findings.push(error([...at, 'body'], `has ${size} bytes`, 'at most 1 MB'));
    else if (size > 100 * 1024)
      findings.push(
        warning(
          [...at, 'body'],
          `has ${size} bytes, all of them in the configuration of each proxy`,
          'serve it from a service',
        ),
      );
  }
  return findings;
}

function checkMatch(match: HttpMatch, path: FieldPath, usesDelegation: boolean): Finding[] {
  const findings: Finding[] = [];
  const { uri, scheme, method, authority, headers, withoutHeaders, queryParams, port, sourceNamespace } = match;
  const texts: [FieldPath, StringMatch][] = [];
  for (const [field, value] of Object.entries({ uri, scheme, method, authority }))
    if (value !== undefined) texts.push([[...path, field], value]);
  for (const [field, values] of Object.entries({ headers, withoutHeaders, queryParams })) {
    for (const [name, value] of Object.entries(values ?? {})) {
      texts.push([[...path, field, name], value]);
      if (field !== 'queryParams' && !isMatchableHeader(name))
        findings.push(error([...path, field, name], `"${name}" is no header name`, 'letters, digits and "-"'));
      if (name === '')
        findings.push(...(field === 'queryParams' ? [error([...path, field, name], 'a parameter needs a name')] : []));
      if (value?.prefix === '')
        findings.push(
          error(
            [...path, field, name, 'prefix'],
            'the prefix is empty',
            'leave the match empty ({}) to ask whether it is there',
          ),
        );
    }
  }
  for (const [at, text] of texts) {
    findings.push(...checkStringMatch(at, text));
    if (usesDelegation && text.regex !== undefined)
      findings.push(error([...at, 'regex'], 'cannot be used with delegation', 'use exact or prefix'));
  }
  if (uri !== undefined && Object.keys(uri).length === 0)
    findings.push(error([...path, 'uri'], 'matches by nothing', 'set one of exact, prefix and regex'));
  for (const kind of ['exact', 'prefix'] as const) {
    const text = uri?.[kind];
    if (text !== undefined && text !== '' && !text.startsWith('/') && text !== '*')
      findings.push(
        warning([...path, 'uri', kind], `"${text}" matches no path: paths start with "/"`, `write "/${text}"`),
      );
  }
  if (port !== undefined) findings.push(...checkPort([...path, 'port'], port));
  if (sourceNamespace !== undefined && sourceNamespace !== '' && !isDnsLabel(sourceNamespace))
    findings.push(error([...path, 'sourceNamespace'], `"${sourceNamespace}" is no namespace`));
  findings.push(...checkLabels([...path, 'sourceLabels'], match.sourceLabels));
  findings.push(...checkGatewayNames([...path, 'gateways'], match.gateways));
  return findings;
}

/** A header name, or `@request.auth.claims…`, by which claims of a JWT are matched. */
function isMatchableHeader(name: string): boolean {
  return (
    isHeaderName(name) ||
    name.startsWith('@request.auth.claims') ||
    (name.startsWith(':') && isHeaderName(name.slice(1)))
  );
}

function checkHeaders(headers: Headers | undefined, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  for (const direction of ['request', 'response'] as const) {
    const { add = {}, set = {}, remove = [] } = headers?.[direction] ?? {};
    for (const [operation, values] of Object.entries({ add, set }))
      for (const [name, value] of Object.entries(values)) {
        const at = [...path, direction, operation, name];
        findings.push(...checkChangedHeader(name, direction, operation, at), ...checkHeaderValue(at, value));
      }
    for (const [index, name] of remove.entries())
      findings.push(...checkChangedHeader(name, direction, 'remove', [...path, direction, 'remove', index]));
  }
  return findings;
}

function checkChangedHeader(
  name: string,
  direction: 'request' | 'response',
  operation: string,
  path: FieldPath,
): Finding[] {
  const isAuthority = /^(?::authority|host)$/i.test(name);
  if (isAuthority && direction === 'request' && operation !== 'remove') return [];
  if (isAuthority || name.startsWith(':'))
    return [
      error(
        path,
        `"${name}" cannot be changed here`,
        isAuthority ? 'set :authority under headers.request.set, or use rewrite.authority' : 'use rewrite',
      ),
    ];
  return isHeaderName(name) ? [] : [error(path, `"${name}" is no header name`, 'letters, digits and "-"')];
}

/** https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on, and for gRPC #x-envoy-retry-grpc-on */
const RETRY_ON = new Set([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

function checkRetries(retries: HttpRoute['retries'], path: FieldPath): Finding[] {
  if (retries === undefined) return [];
  const findings: Finding[] = [];
  const { attempts = 0, perTryTimeout, retryOn, backoff } = retries;
  if (attempts < 0) findings.push(error([...path, 'attempts'], `${attempts} is negative`, '0 switches retries off'));
  if (attempts === 0 && (perTryTimeout !== undefined || retryOn || retries.retryRemoteLocalities !== undefined))
    findings.push(
      error(
        [...path, 'attempts'],
        'is 0, which switches retries off: the other fields have no effect',
        'set attempts, or delete the others',
      ),
    );
  if (perTryTimeout !== undefined) findings.push(...checkDuration([...path, 'perTryTimeout'], perTryTimeout));
  if (backoff !== undefined) findings.push(...checkDuration([...path, 'backoff'], backoff));
  for (const policy of (retryOn ?? '').split(',').filter((part) => part !== '')) {
    if (RETRY_ON.has(policy) || STATUS_CODES[policy] !== undefined) continue;
    const guess = nearest(policy.trim(), RETRY_ON);
    findings.push(
      error(
        [...path, 'retryOn'],
        `unknown condition "${policy}"`,
        guess === undefined ? `known ones: ${[...RETRY_ON].join(', ')}` : `did you mean ${guess}?`,
      ),
    );
  }
  return findings;
}

function checkRewrite({ rewrite, headers }: HttpRoute, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  const at = [...path, 'rewrite'];
  if (rewrite !== undefined) {
    const { uri, authority, uriRegexRewrite } = rewrite;
    findings.push(...checkOneLine([...at, 'uri'], uri), ...checkOneLine([...at, 'authority'], authority));
    if (uri && uriRegexRewrite)
      findings.push(error(at, 'only one of uri and uriRegexRewrite may be set', 'keep one of them'));
    if (!uri && !authority && !uriRegexRewrite)
      findings.push(error(at, 'changes nothing', 'set uri, uriRegexRewrite or authority'));
    if (uriRegexRewrite) {
      if (!uriRegexRewrite.match || !uriRegexRewrite.rewrite)
        findings.push(error([...at, 'uriRegexRewrite'], 'needs both match and rewrite'));
      if (uriRegexRewrite.match)
        findings.push(...checkRegex([...at, 'uriRegexRewrite', 'match'], uriRegexRewrite.match));
    }
  }
  const authorities = [
    ...(rewrite?.authority ? [[...at, 'authority']] : []),
    ...(['set', 'add'] as const).flatMap((operation) =>
      Object.keys(headers?.request?.[operation] ?? {}).flatMap((name) =>
        /^(?::authority|host)$/i.test(name) ? [[...path, 'headers', 'request', operation, name]] : [],
      ),
    ),
  ];
  const [, second] = authorities;
  if (second !== undefined)
    findings.push(error(second, 'sets the authority a second time', 'keep one of rewrite.authority and the header'));
  return findings;
}

function checkMirrors(route: HttpRoute, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  if (route.mirror !== undefined) findings.push(...checkDestination(route.mirror, [...path, 'mirror']));
  for (const [index, { destination, percentage }] of (route.mirrors ?? []).entries()) {
    const at = [...path, 'mirrors', index];
    findings.push(...checkDestination(destination, [...at, 'destination']));
    findings.push(...checkPercent(percentage?.value, [...at, 'percentage', 'value']));
  }
  if (route.mirror !== undefined && (route.mirrors ?? []).length > 0)
    findings.push(error([...path, 'mirrors'], 'cannot stand beside mirror', 'move mirror into the list'));
  findings.push(...checkPercent(route.mirrorPercentage?.value, [...path, 'mirrorPercentage', 'value']));
  findings.push(...checkPercent(route.mirrorPercent, [...path, 'mirrorPercent']));
  return findings;
}
