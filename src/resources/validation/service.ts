// Service, Endpoints and EndpointSlice: what the Kubernetes API server refuses, as far as a gateway depends on it.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding } from '../finding.ts';
import { isFqdn, isIpAddress } from '../hosts.ts';
import { isDnsLabel } from '../names.ts';
import type { EndpointSlice, Endpoints, Service } from '../types.ts';
import { checkLabels, checkPort } from './syntax.ts';

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ */
export function validateService(service: Service): Finding[] {
  const { ports = [], selector, type, externalName, clusterIP } = service.spec ?? {};
  const findings = checkLabels(['spec', 'selector'], selector);
  if (type === 'ExternalName') {
    if (!externalName || !isFqdn(externalName))
      findings.push(error(['spec', 'externalName'], 'is required with type ExternalName', 'a DNS name'));
  } else if (ports.length === 0 && clusterIP !== 'None') {
    findings.push(
      error(
        ['spec', 'ports'],
        'a Service needs at least one port',
        'for example "ports: [{port: 80, targetPort: 8080}]"',
      ),
    );
  }
  for (const [index, port] of ports.entries()) {
    const path: FieldPath = ['spec', 'ports', index];
    const before = ports.slice(0, index);
    findings.push(...checkPort([...path, 'port'], port.port));
    if (typeof port.targetPort === 'number') findings.push(...checkPort([...path, 'targetPort'], port.targetPort));
    else if (typeof port.targetPort === 'string' && !isTargetPortName(port.targetPort))
      findings.push(
        error(
          [...path, 'targetPort'],
          `"${port.targetPort}" is no port name`,
          'a number without quotes, or the name of a container port',
        ),
      );
    if (ports.length > 1 && !port.name)
      findings.push(error([...path, 'name'], 'is required: the Service has several ports', 'for example http'));
    if (port.name && !isDnsLabel(port.name))
      findings.push(error([...path, 'name'], `"${port.name}" is no port name`, 'at most 63 of a-z, 0-9 and "-"'));
    if (port.name && before.some(({ name }) => name === port.name))
      findings.push(
        error([...path, 'name'], `port name "${port.name}" stands twice`, 'give each port a name of its own'),
      );
    if (before.some((other) => other.port === port.port && (other.protocol ?? 'TCP') === (port.protocol ?? 'TCP')))
      findings.push(error([...path, 'port'], `port ${port.port} stands twice`, 'keep one of them'));
  }
  return findings;
}

/** IANA service name: at most 15 of a-z, 0-9 and `-`, with a letter. RFC 6335 section 5.1 */
function isTargetPortName(name: string): boolean {
  return name.length <= 15 && isDnsLabel(name) && /[a-z]/.test(name) && !name.includes('--');
}

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoints-v1/ */
export function validateEndpoints(endpoints: Endpoints): Finding[] {
  return (endpoints.subsets ?? []).flatMap((subset, index) => {
    const path: FieldPath = ['subsets', index];
    const findings: Finding[] = [];
    for (const field of ['addresses', 'notReadyAddresses'] as const)
      for (const [position, { ip }] of (subset[field] ?? []).entries())
        if (!isIpAddress(ip))
          findings.push(
            error(
              [...path, field, position, 'ip'],
              `"${ip}" is no IP address`,
              'for example 127.0.0.1; for a name use a ServiceEntry with resolution DNS',
            ),
          );
    for (const [position, { port }] of (subset.ports ?? []).entries())
      findings.push(...checkPort([...path, 'ports', position, 'port'], port));
    return findings;
  });
}

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/ */
export function validateEndpointSlice(slice: EndpointSlice): Finding[] {
  const { addressType, endpoints, ports } = slice;
  const findings: Finding[] = [];
  for (const [index, { addresses }] of (endpoints ?? []).entries()) {
    const path: FieldPath = ['endpoints', index, 'addresses'];
    if (addresses.length === 0) findings.push(error(path, 'needs at least one address'));
    for (const [position, address] of addresses.entries()) {
      const isGood =
        addressType === 'FQDN'
          ? isFqdn(address)
          : isIpAddress(address) && address.includes(':') === (addressType === 'IPv6');
      if (!isGood)
        findings.push(
          error(
            [...path, position],
            `"${address}" is no ${addressType} address`,
            addressType === 'IPv4' ? 'for example 127.0.0.1' : 'see addressType',
          ),
        );
    }
  }
  for (const [index, { port }] of (ports ?? []).entries())
    if (port !== undefined) findings.push(...checkPort(['ports', index, 'port'], port));
  return findings;
}
