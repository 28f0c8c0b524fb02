// Destinations of routes: host, port, subset and weight.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding } from '../finding.ts';
import { isWildcardDomain } from '../hosts.ts';
import { isDnsLabel } from '../names.ts';
import { checkPort } from './syntax.ts';

/** https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination */
export interface Destination {
  host: string;
  subset?: string;
  port?: { number?: number };
}

/** A destination and its share of the traffic. */
export interface WeightedDestination {
  destination: Destination;
  weight?: number;
}

/** Checks one destination. */
export function checkDestination(destination: Destination, path: FieldPath): Finding[] {
  const { host, subset, port } = destination;
  const findings: Finding[] = [];
  if (host === '' || host === '*' || !isWildcardDomain(host)) {
    const hint = /:\d+$/.test(host)
      ? `write the port apart: host: ${host.replace(/:\d+$/, '')}, port: {number: ${host.replace(/^.*:/, '')}}`
      : 'the name of a Service, or a host of a ServiceEntry';
    findings.push(error([...path, 'host'], `"${host}" is no host name`, hint));
  }
  if (subset !== undefined && subset !== '' && !isDnsLabel(subset))
    findings.push(error([...path, 'subset'], `"${subset}" is no subset name`, 'at most 63 of a-z, 0-9 and "-"'));
  if (port !== undefined) {
    if (port.number === undefined)
      findings.push(error([...path, 'port', 'number'], 'is required', "the number of the Service's port"));
    else findings.push(...checkPort([...path, 'port', 'number'], port.number));
  }
  return findings;
}

/** Checks the destinations of one route: each by itself, and that their weights share something out. */
export function checkDestinations(destinations: readonly WeightedDestination[], path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  let sum = 0;
  for (const [index, { destination, weight = 0 }] of destinations.entries()) {
    findings.push(...checkDestination(destination, [...path, index, 'destination']));
    if (weight < 0) findings.push(error([...path, index, 'weight'], `${weight} is negative`, 'a weight is 0 or more'));
    sum += weight;
  }
  if (destinations.length > 1 && sum === 0)
    findings.push({
      ...error(
        path,
        'the weights of several destinations sum to 0',
        'give at least one of them a weight, for example 100',
      ),
      at: 'key',
    });
  return findings;
}
