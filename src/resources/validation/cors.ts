// The CORS policy of a VirtualService's HTTP route.

import { parseDuration } from '../duration.ts';
import type { FieldPath } from '../field-path.ts';
import { error, type Finding } from '../finding.ts';
import type { HttpRoute } from '../types.ts';
import { checkDuration, checkStringMatch, isHeaderName } from './syntax.ts';

const METHODS = new Set(['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'CONNECT', 'TRACE', '*']);

/** https://istio.io/latest/docs/reference/config/networking/virtual-service/#CorsPolicy */
export function checkCors(policy: HttpRoute['corsPolicy'], path: FieldPath): Finding[] {
  if (policy === undefined) return [];
  const findings: Finding[] = [];
  for (const [index, origin] of (policy.allowOrigins ?? []).entries()) {
    const at = [...path, 'allowOrigins', index];
    if (!origin.exact && !origin.prefix && !origin.regex)
      findings.push(error(at, 'matches no origin', 'set one of exact, prefix and regex; "{exact: "*"}" is any'));
    else findings.push(...checkStringMatch(at, origin));
  }
  for (const [index, method] of (policy.allowMethods ?? []).entries())
    if (!METHODS.has(method))
      findings.push(error([...path, 'allowMethods', index], `"${method}" is no HTTP method`, [...METHODS].join(', ')));
  for (const field of ['allowHeaders', 'exposeHeaders'] as const)
    for (const [index, name] of (policy[field] ?? []).entries())
      if (name !== '*' && !isHeaderName(name))
        findings.push(error([...path, field, index], `"${name}" is no header name`));
  if (policy.maxAge !== undefined) findings.push(...checkMaxAge(policy.maxAge, [...path, 'maxAge']));
  return findings;
}

function checkMaxAge(maxAge: string, path: FieldPath): Finding[] {
  const findings = checkDuration(path, maxAge);
  const milliseconds = parseDuration(maxAge) ?? 0;
  if (findings.length === 0 && milliseconds % 1000 !== 0)
    findings.push(error(path, `"${maxAge}" is no whole number of seconds`, 'browsers are told seconds: 1s, 24h'));
  return findings;
}
