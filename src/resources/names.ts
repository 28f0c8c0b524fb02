// Names: which ones Kubernetes allows, and how the short names of hosts and Gateways become full ones.

import { isIP } from 'node:net';
import type { FieldPath } from './field-path.ts';
import { error, type Finding } from './finding.ts';
import type { Kind } from './kinds.ts';
import { kindId } from './object.ts';
import { KIND_IDS } from './types.ts';

const LABEL = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/;

/** RFC 1123 label: at most 63 of a-z, 0-9 and `-`, starting and ending with a letter or digit. */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && LABEL.test(text);
}

/** RFC 1123 subdomain as Kubernetes has it: labels joined by dots, at most 253 characters. */
function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}

/** The domain of the cluster: what Service names end in. */
export const CLUSTER_DOMAIN = 'cluster.local';

/** `name.namespace.svc.cluster.local` */
export function serviceHost(name: string, namespace: string): string {
  return `${name}.${namespace}.svc.${CLUSTER_DOMAIN}`;
}

/**
 * The full form of a host name in an Istio object. A name without a dot is a Service of the object's own namespace; one with a dot
 * (`catalog.prod` too, which is Istio's well-known trap), an address, and `*`, stays as it is.
 * https://istio.io/latest/docs/reference/config/networking/virtual-service/#Destination
 */
export function resolveShortName(host: string, namespace: string): string {
  if (host === '' || host === '*' || host.includes('.') || isIP(host) !== 0) return host;
  return serviceHost(host, namespace);
}

/** A Gateway as a VirtualService names it, as `namespace/name`; `mesh` stays `mesh`. `name.namespace.svc…` is the old spelling. */
export function resolveGatewayName(gateway: string, namespace: string): string {
  if (gateway === 'mesh') return gateway;
  if (gateway.startsWith('./')) return `${namespace}/${gateway.slice(2)}`;
  if (gateway.includes('/')) return gateway;
  const [name, itsNamespace = namespace] = gateway.split('.');
  return `${itsNamespace}/${name}`;
}

/** Checks `metadata.name` and `metadata.namespace`. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export function checkName(kind: Kind, metadata: unknown): Finding[] {
  if (typeof metadata !== 'object' || metadata === null)
    return [error(['metadata', 'name'], 'is required', `add "metadata:" with the name of this ${kind.name}`)];
  const { name, namespace, generateName } = metadata as { name?: unknown; namespace?: unknown; generateName?: unknown };
  const findings: Finding[] = [];
  const path: FieldPath = ['metadata', 'name'];
  if (name === undefined || name === '') {
    const hint =
      generateName === undefined
        ? `give this ${kind.name} a name`
        : 'generateName makes a new object each time: a file needs a name';
    findings.push(error(path, 'is required', hint));
  } else if (typeof name === 'string') {
    const id = kindId(kind.group, kind.name);
    const strict = id === KIND_IDS.Namespace || id === KIND_IDS.Service;
    if (strict && !isDnsLabel(name))
      findings.push(
        error(
          path,
          `"${name}" is no DNS label`,
          'at most 63 of a-z, 0-9 and "-", starting and ending with a letter or digit',
        ),
      );
    else if (id === KIND_IDS.Service && !/^[a-z]/.test(name))
      findings.push(error(path, `"${name}" starts with a digit`, 'the name of a Service starts with a letter'));
    else if (!isDnsSubdomain(name))
      findings.push(
        error(path, `"${name}" is no DNS name`, 'a-z, 0-9, "-" and ".", starting and ending with a letter or digit'),
      );
  }
  if (typeof namespace === 'string' && namespace !== '' && !isDnsLabel(namespace))
    findings.push(
      error(['metadata', 'namespace'], `"${namespace}" is no namespace name`, 'at most 63 of a-z, 0-9 and "-"'),
    );
  return findings;
}
