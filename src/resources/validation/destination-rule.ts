// DestinationRule: what Istio's validation refuses.

import { error, type Finding } from '../finding.ts';
import { isWildcardDomain } from '../hosts.ts';
import { isDnsLabel } from '../names.ts';
import type { DestinationRule, DestinationRuleSpec } from '../types.ts';
import { checkExportTo, checkLabels } from './syntax.ts';

/** https://istio.io/latest/docs/reference/config/networking/destination-rule/ */
export function validateDestinationRule(rule: DestinationRule): Finding[] {
  const { host, subsets = [], exportTo, trafficPolicy } = rule.spec as DestinationRuleSpec;
  const findings: Finding[] = [];
  if (!isWildcardDomain(host))
    findings.push(
      error(['spec', 'host'], `"${host}" is no host name`, 'the name of a Service, or a host of a ServiceEntry'),
    );
  for (const [index, subset] of subsets.entries()) {
    const path = ['spec', 'subsets', index];
    if (subsets.slice(0, index).some(({ name }) => name === subset.name))
      findings.push(
        error([...path, 'name'], `subset "${subset.name}" stands twice`, 'give each subset a name of its own'),
      );
    if (!isDnsLabel(subset.name))
      findings.push(error([...path, 'name'], `"${subset.name}" is no subset name`, 'at most 63 of a-z, 0-9 and "-"'));
    findings.push(
      ...checkLabels([...path, 'labels'], subset.labels),
      ...checkTls(subset.trafficPolicy?.tls, [...path, 'trafficPolicy', 'tls']),
    );
  }
  findings.push(...checkTls(trafficPolicy?.tls, ['spec', 'trafficPolicy', 'tls']));
  return [...findings, ...checkExportTo(exportTo)];
}

type ClientTls = NonNullable<DestinationRuleSpec['trafficPolicy']>['tls'];

function checkTls(tls: ClientTls, path: readonly (string | number)[]): Finding[] {
  if (tls?.mode !== 'MUTUAL' || tls.credentialName) return [];
  return (['clientCertificate', 'privateKey'] as const)
    .filter((field) => !tls[field])
    .map((field) =>
      error([...path, field], 'is required with mode MUTUAL', 'or set credentialName to the name of a secret'),
    );
}
