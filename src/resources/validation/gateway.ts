// Gateway: what Istio's validation refuses and warns of.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import { isIpAddress, isWildcardDomain } from '../hosts.ts';
import { isDnsLabel } from '../names.ts';
import type { Gateway, GatewayServer } from '../types.ts';
import { checkServerTls } from './gateway-tls.ts';
import { checkSniWildcard } from './proxy-values.ts';
import { checkLabels, checkPort, protocolClass } from './syntax.ts';

/** https://istio.io/latest/docs/reference/config/networking/gateway/ */
export function validateGateway(gateway: Gateway): Finding[] {
  const findings: Finding[] = [];
  const { servers = [], selector } = gateway.spec ?? {};
  if (!isDnsLabel(gateway.metadata.name))
    findings.push(
      error(
        ['metadata', 'name'],
        `"${gateway.metadata.name}" is no Gateway name`,
        'at most 63 of a-z, 0-9 and "-"; no dots',
      ),
    );
  findings.push(...checkLabels(['spec', 'selector'], selector));
  if (servers.length === 0)
    findings.push(
      error(['spec', 'servers'], 'a Gateway needs at least one server', 'add a server with port and hosts'),
    );
  const names = new Map<string, number>();
  for (const [index, server] of servers.entries()) {
    const path: FieldPath = ['spec', 'servers', index];
    findings.push(...checkServer(server, path));
    const { name } = server.port;
    const first = names.get(name);
    if (first === undefined) names.set(name, index);
    else if (name !== '')
      findings.push(
        error(
          [...path, 'port', 'name'],
          `port name "${name}" is used by servers[${first}] too`,
          "give each server's port a name of its own",
        ),
      );
  }
  return findings;
}

function checkServer(server: GatewayServer, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  const { port, hosts, tls, bind } = server;
  if (hosts.length === 0)
    findings.push(error([...path, 'hosts'], 'a server needs at least one host', 'use "*" for all'));
  for (const [index, host] of hosts.entries()) findings.push(...checkHost(host, [...path, 'hosts', index]));
  if (bind === undefined || !bind.startsWith('unix://'))
    findings.push(...checkPort([...path, 'port', 'number'], port.number));
  if (bind !== undefined && bind !== '' && !bind.startsWith('unix://') && !isIpAddress(bind))
    findings.push(error([...path, 'bind'], `"${bind}" is no IP address`));
  if (port.name === '') findings.push(error([...path, 'port', 'name'], 'must not be empty', 'any name, such as http'));
  if (port.targetPort !== undefined && port.targetPort > 0)
    findings.push(
      error(
        [...path, 'port', 'targetPort'],
        'has no meaning in a Gateway',
        "the targetPort of the gateway's Service decides; delete this field",
      ),
    );
  const kind = protocolClass(port.protocol);
  if (kind === 'unknown') {
    findings.push(
      error(
        [...path, 'port', 'protocol'],
        `unknown protocol "${port.protocol}"`,
        'one of HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TCP, TLS, MONGO, MYSQL, REDIS',
      ),
    );
    return findings;
  }
  if (kind === 'tls' && tls === undefined) {
    findings.push(
      error(
        [...path, 'tls'],
        `is required with protocol ${port.protocol}`,
        'for example "tls: {mode: SIMPLE, credentialName: my-secret}", or "tls: {mode: PASSTHROUGH}"',
      ),
    );
  }
  if (kind === 'tls')
    for (const [index, host] of hosts.entries())
      findings.push(...checkSniWildcard([...path, 'hosts', index], host.slice(host.indexOf('/') + 1)));
  if (tls === undefined) return findings;
  if (kind !== 'tls') {
    const isRedirectOnly =
      (tls.mode === undefined || tls.mode === 'PASSTHROUGH') &&
      !tls.serverCertificate &&
      !tls.privateKey &&
      !tls.caCertificates;
    if (kind === 'tcp')
      findings.push(
        error(
          [...path, 'tls'],
          `cannot be set with protocol ${port.protocol}`,
          'use protocol TLS or HTTPS, or delete tls',
        ),
      );
    else if (!isRedirectOnly)
      findings.push(
        error(
          [...path, 'tls'],
          `protocol ${port.protocol} is plain text: only httpsRedirect may be set`,
          'use protocol HTTPS, or delete the other fields of tls',
        ),
      );
  }
  if (tls.httpsRedirect === true && kind !== 'http')
    findings.push(
      warning(
        [...path, 'tls', 'httpsRedirect'],
        `has an effect on HTTP servers only, not with ${port.protocol}`,
        'set it on the server of port 80',
      ),
    );
  findings.push(...checkServerTls(tls, [...path, 'tls']));
  return findings;
}

function checkHost(text: string, path: FieldPath): Finding[] {
  const parts = text.split('/');
  const host = parts.at(-1) as string;
  if (parts.length > 2) return [error(path, `"${text}" is no host`, 'write "host" or "namespace/host"')];
  if (parts.length === 2) {
    const namespace = parts[0] as string;
    if (namespace !== '*' && namespace !== '.' && !isDnsLabel(namespace))
      return [
        error(
          path,
          `"${namespace}" is no namespace`,
          'before the "/" stands a namespace, "." for the Gateway\'s own, or "*"',
        ),
      ];
  }
  if (host === '*' || isIpAddress(host)) return [];
  if (!isWildcardDomain(host))
    return [error(path, `"${host}" is no host name`, 'a DNS name, or one that starts with "*.", or "*"')];
  if (!host.includes('.'))
    return [error(path, `"${host}" is a short name`, 'a Gateway takes full host names (with a dot), or "*"')];
  return [];
}
