// ServiceEntry and WorkloadEntry: what Istio's validation refuses and warns of.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import { isFqdn, isIpAddress, isIpSubnet, isWildcardDomain } from '../hosts.ts';
import type { ServiceEntry, ServiceEntrySpec, WorkloadEntry, WorkloadEntrySpec } from '../types.ts';
import { checkExportTo, checkLabels, checkPort, checkPortName, protocolClass } from './syntax.ts';

/** https://istio.io/latest/docs/reference/config/networking/service-entry/ */
export function validateServiceEntry(entry: ServiceEntry): Finding[] {
  const spec = entry.spec as ServiceEntrySpec;
  const { hosts = [], endpoints = [], resolution = 'NONE' } = spec;
  const findings = [...checkHosts(spec), ...checkAddresses(spec), ...checkPorts(spec)];
  if (spec.workloadSelector !== undefined && endpoints.length > 0)
    findings.push(error(['spec', 'workloadSelector'], 'cannot stand beside endpoints', 'keep one of the two'));
  if (spec.workloadSelector !== undefined) {
    const { labels = {} } = spec.workloadSelector;
    if (Object.keys(labels).length === 0)
      findings.push(
        warning(
          ['spec', 'workloadSelector'],
          'has no labels and so selects every workload of the namespace',
          'add labels',
        ),
      );
    if (resolution === 'NONE')
      findings.push(
        warning(['spec', 'workloadSelector'], 'has no effect with resolution NONE', 'set resolution: STATIC'),
      );
  }
  const ports = new Set((spec.ports ?? []).map((port) => port.name));
  const isDns = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  if (resolution === 'NONE' && endpoints.length > 0)
    findings.push(
      error(
        ['spec', 'endpoints'],
        'has no meaning with resolution NONE',
        'set resolution: STATIC for addresses, or DNS for names',
      ),
    );
  if (isDns && endpoints.length === 0) {
    for (const [index, host] of hosts.entries())
      if (!isFqdn(host) && isWildcardDomain(host))
        findings.push(
          error(
            ['spec', 'hosts', index],
            `"${host}" cannot be looked up in DNS`,
            `with resolution ${resolution}, write the host name in full or list endpoints`,
          ),
        );
  }
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1)
    findings.push(
      error(['spec', 'endpoints', 1], 'resolution DNS_ROUND_ROBIN takes one endpoint at most', 'use resolution DNS'),
    );
  for (const [index, endpoint] of endpoints.entries()) {
    const path: FieldPath = ['spec', 'endpoints', index];
    findings.push(...checkEndpoint(endpoint, path, { allowNames: isDns }));
    for (const name of Object.keys(endpoint.ports ?? {})) {
      if (!ports.has(name))
        findings.push(
          error(
            [...path, 'ports', name],
            `port "${name}" is not among spec.ports`,
            `the ports are ${[...ports].join(', ') || 'none'}`,
          ),
        );
    }
  }
  return [...findings, ...checkExportTo(spec.exportTo, { none: true })];
}

/** https://istio.io/latest/docs/reference/config/networking/workload-entry/ */
export function validateWorkloadEntry(entry: WorkloadEntry): Finding[] {
  return checkEndpoint(entry.spec as WorkloadEntrySpec, ['spec'], { allowNames: true });
}

function checkHosts({ hosts = [], ports = [], resolution = 'NONE' }: ServiceEntrySpec): Finding[] {
  const findings: Finding[] = [];
  if (hosts.length === 0) findings.push(error(['spec', 'hosts'], 'a ServiceEntry needs at least one host'));
  for (const [index, host] of hosts.entries()) {
    if (host === '*')
      findings.push(
        error(['spec', 'hosts', index], '"*" alone cannot be used', 'name the host, or a domain: "*.example.com"'),
      );
    else if (!isWildcardDomain(host))
      findings.push(
        error(['spec', 'hosts', index], `"${host}" is no host name`, 'a DNS name, or one that starts with "*."'),
      );
  }
  const tcp = ports.findIndex(
    (port) => protocolClass(port.protocol ?? '') !== 'http' && protocolClass(port.protocol ?? '') !== 'tls',
  );
  if (resolution !== 'NONE' && hosts.length > 1 && tcp >= 0)
    findings.push(
      error(
        ['spec', 'hosts', 1],
        `several hosts cannot be told apart on port ${ports[tcp]!.name}, which is neither HTTP nor TLS`,
        'use one ServiceEntry a host, or set the protocol of the port',
      ),
    );
  return findings;
}

function checkAddresses({ addresses = [], resolution = 'NONE' }: ServiceEntrySpec): Finding[] {
  return addresses.flatMap((address, index) => {
    const path = ['spec', 'addresses', index];
    if (!isIpSubnet(address))
      return [error(path, `"${address}" is no address or address range`, 'for example 10.0.0.1 or 10.0.0.0/8')];
    if (address.includes('/') && resolution !== 'NONE' && resolution !== 'STATIC')
      return [
        error(path, `address ranges cannot be used with resolution ${resolution}`, 'use resolution NONE or STATIC'),
      ];
    return [];
  });
}

function checkPorts({ ports = [] }: ServiceEntrySpec): Finding[] {
  const findings: Finding[] = [];
  for (const [index, port] of ports.entries()) {
    const path: FieldPath = ['spec', 'ports', index];
    const before = ports.slice(0, index);
    if (before.some(({ name }) => name === port.name))
      findings.push(
        error([...path, 'name'], `port name "${port.name}" stands twice`, 'give each port a name of its own'),
      );
    if (before.some(({ number }) => number === port.number))
      findings.push(error([...path, 'number'], `port ${port.number} stands twice`, 'keep one of them'));
    findings.push(...checkPortName([...path, 'name'], port.name), ...checkPort([...path, 'number'], port.number));
    if (port.targetPort !== undefined && port.targetPort !== 0)
      findings.push(...checkPort([...path, 'targetPort'], port.targetPort));
    if (port.protocol && protocolClass(port.protocol) === 'unknown')
      findings.push(
        error(
          [...path, 'protocol'],
          `unknown protocol "${port.protocol}"`,
          'one of HTTP, HTTPS, HTTP2, GRPC, TCP, TLS, MONGO',
        ),
      );
  }
  return findings;
}

function checkEndpoint(endpoint: WorkloadEntrySpec, path: FieldPath, options: { allowNames: boolean }): Finding[] {
  const findings: Finding[] = [];
  const { address, ports, labels } = endpoint;
  const at = [...path, 'address'];
  if (!address) {
    if (!endpoint.network) findings.push(error(at, 'is required', 'an IP address, for example 127.0.0.1'));
  } else if (address.startsWith('unix://')) {
    if (!address.startsWith('unix:///') && !address.startsWith('unix://@'))
      findings.push(error(at, `"${address}" is no absolute path`, 'unix:///path/to/socket'));
    if (Object.keys(ports ?? {}).length > 0)
      findings.push(error([...path, 'ports'], 'cannot be set with a unix socket', 'delete it'));
  } else if (!isIpAddress(address)) {
    if (!options.allowNames)
      findings.push(
        error(
          at,
          `"${address}" is no IP address`,
          /^\d+(\.\d+){3}:\d+$/.test(address) ? 'write the port under ports' : 'set resolution: DNS to use names',
        ),
      );
    else if (!isFqdn(address))
      findings.push(error(at, `"${address}" is no IP address and no host name`, 'for example 127.0.0.1'));
  }
  for (const [name, port] of Object.entries(ports ?? {}))
    findings.push(...checkPortName([...path, 'ports', name], name), ...checkPort([...path, 'ports', name], port));
  return [...findings, ...checkLabels([...path, 'labels'], labels)];
}
