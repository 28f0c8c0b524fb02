// What is wrong with an IstioOperator, and what of it means nothing on one machine. Its own definition has no schema, so this is all the check there is.

import { type FieldPath, formatFieldPath } from '../field-path.ts';
import { error, type Finding, warning } from '../finding.ts';
import { type GatewayComponent, type IstioOperatorSpec, PROFILES } from '../istio-operator.ts';
import { nearest } from '../nearest.ts';
import type { ResourceObject } from '../object.ts';
import { checkMeshConfig } from './mesh-config.ts';

/** What a field holds: a type, anything, a list, or fields that are known by name. */
type Shape = 'string' | 'boolean' | 'integer' | 'mapping' | 'text mapping' | 'any' | { list: Shape } | Fields;
interface Fields {
  readonly fields: { readonly [name: string]: Shape };
}

const SERVICE: Fields = {
  fields: {
    type: 'string',
    ports: {
      list: {
        fields: {
          ...{ name: 'string', port: 'integer', targetPort: 'any', nodePort: 'integer' },
          ...{ protocol: 'string', appProtocol: 'string' },
        },
      },
    },
    ...{ selector: 'text mapping', clusterIP: 'string', loadBalancerIP: 'string', externalName: 'string' },
    ...{ externalTrafficPolicy: 'string', sessionAffinity: 'string', sessionAffinityConfig: 'mapping' },
    ...{ externalIPs: { list: 'string' }, loadBalancerSourceRanges: { list: 'string' } },
    ...{ publishNotReadyAddresses: 'boolean', healthCheckNodePort: 'integer' },
  },
};
const KUBERNETES: Fields = {
  fields: {
    ...{ replicaCount: 'integer', service: SERVICE, resources: 'mapping' },
    ...{ serviceAnnotations: 'text mapping', podAnnotations: 'text mapping' },
    env: { list: { fields: { name: 'string', value: 'string', valueFrom: 'mapping' } } },
    ...{ affinity: 'mapping', hpaSpec: 'mapping', imagePullPolicy: 'string', nodeSelector: 'mapping' },
    ...{ podDisruptionBudget: 'mapping', priorityClassName: 'string', readinessProbe: 'mapping' },
    ...{ strategy: 'mapping', tolerations: { list: 'mapping' }, securityContext: 'mapping' },
    ...{ volumes: { list: 'mapping' }, volumeMounts: { list: 'mapping' }, overlays: { list: 'mapping' } },
  },
};
const COMPONENT: Fields = { fields: { enabled: 'boolean', namespace: 'string', k8s: KUBERNETES } };
const GATEWAY: Fields = { fields: { ...COMPONENT.fields, name: 'string', label: 'text mapping' } };
const SPEC: Fields = {
  fields: {
    ...{ profile: 'string', namespace: 'string', revision: 'string', hub: 'string', tag: 'any' },
    ...{ installPackagePath: 'string', compatibilityVersion: 'string' },
    ...{ meshConfig: 'mapping', values: 'mapping', unvalidatedValues: 'mapping' },
    components: {
      fields: {
        ...{ base: COMPONENT, pilot: COMPONENT, cni: COMPONENT, ztunnel: COMPONENT, istiodRemote: COMPONENT },
        ...{ ingressGateways: { list: GATEWAY }, egressGateways: { list: GATEWAY } },
      },
    },
  },
};

const SERVICE_TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer'];
/** So many unread values are named. */
const MOST_NAMES = 5;
/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names */
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Checks one IstioOperator by itself. */
export function validateIstioOperator({ spec }: ResourceObject): Finding[] {
  if (spec === undefined) return [];
  const shape = checkShape(spec, SPEC, ['spec']);
  // What is looked at next must have its type.
  if (shape.length > 0) return shape;
  const { profile, revision, meshConfig = {}, components = {}, values = {} } = spec as IstioOperatorSpec;
  const findings: Finding[] = [];
  if (profile !== undefined && !(PROFILES as readonly string[]).includes(profile)) {
    const guess = nearest(profile, PROFILES);
    const known = `the profiles are ${PROFILES.join(', ')}`;
    findings.push(
      error(['spec', 'profile'], `unknown profile ${profile}`, guess === undefined ? known : `did you mean ${guess}?`),
    );
  }
  if (revision !== undefined && revision !== '' && revision !== 'default')
    findings.push(
      warning(
        ['spec', 'revision'],
        `${revision} is ignored: there is one control plane, and so there are no revisions`,
      ),
    );
  const names = new Map<string, number>();
  for (const [index, gateway] of (components.ingressGateways ?? []).entries()) {
    const path = ['spec', 'components', 'ingressGateways', index];
    const id = `${gateway.namespace ?? ''}/${gateway.name ?? 'istio-ingressgateway'}`;
    if (names.has(id)) findings.push(error([...path, 'name'], `stands twice, first at index ${names.get(id)}`));
    names.set(id, index);
    findings.push(...checkGateway(gateway, path));
  }
  for (const [index, { enabled, name }] of (components.egressGateways ?? []).entries()) {
    if (enabled)
      findings.push(
        warning(
          ['spec', 'components', 'egressGateways', index, 'enabled'],
          `the egress gateway ${name ?? 'istio-egressgateway'} is not installed: Limen runs ingress gateways`,
          'traffic leaves for other hosts directly',
        ),
      );
  }
  for (const name of ['cni', 'ztunnel'] as const)
    if (components[name]?.enabled)
      findings.push(
        warning(
          ['spec', 'components', name, 'enabled'],
          `${name} is not installed: there are no pod networks to set up`,
        ),
      );
  for (const { path, ...finding } of checkMeshConfig(meshConfig))
    findings.push({ ...finding, path: ['spec', 'meshConfig', ...path] });
  const unread = leavesOf(values).filter((name) => name !== 'global.istioNamespace');
  if (unread.length > 0)
    findings.push(
      warning(
        ['spec', 'values'],
        `Helm values are not read: ${unread.slice(0, MOST_NAMES).join(', ')}${unread.length > MOST_NAMES ? ` and ${unread.length - MOST_NAMES} more` : ''}`,
        'use components and meshConfig',
      ),
    );
  return findings;
}

/** The paths of all values of mappings within mappings. */
function leavesOf(values: Readonly<Record<string, unknown>>, within: FieldPath = []): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    const path = [...within, name];
    return isMapping(value) && Object.keys(value).length > 0 ? leavesOf(value, path) : [formatFieldPath(path)];
  });
}

function checkGateway({ name, namespace, k8s }: GatewayComponent, path: FieldPath): Finding[] {
  const findings: Finding[] = [];
  for (const [field, value] of Object.entries({ name, namespace }))
    if (value !== undefined && !DNS_LABEL.test(value))
      findings.push(
        error([...path, field], `${JSON.stringify(value)} is no name: expected lower-case letters, digits and '-'`),
      );
  const { replicaCount, service, overlays } = (k8s ?? {}) as NonNullable<typeof k8s> & { overlays?: unknown[] };
  if (replicaCount !== undefined && replicaCount < 0)
    findings.push(error([...path, 'k8s', 'replicaCount'], 'expected a whole number from 0 up'));
  if (overlays !== undefined && overlays.length > 0)
    findings.push(warning([...path, 'k8s', 'overlays'], 'overlays are not applied'));
  if (service?.type !== undefined && !SERVICE_TYPES.includes(service.type))
    findings.push(
      error(
        [...path, 'k8s', 'service', 'type'],
        `unknown type ${service.type}`,
        `expected ${SERVICE_TYPES.join(', ')}`,
      ),
    );
  const seen = new Set<number>();
  for (const [index, port] of (service?.ports ?? []).entries()) {
    const at = [...path, 'k8s', 'service', 'ports', index];
    if (port.port === undefined) findings.push(error([...at, 'port'], 'is required'));
    for (const field of ['port', 'targetPort', 'nodePort'] as const) {
      const value = port[field];
      if (typeof value === 'number' && !(value >= 1 && value <= 65535))
        findings.push(error([...at, field], `${value} is no port: expected 1 to 65535`));
    }
    if (port.port !== undefined && seen.has(port.port))
      findings.push(error([...at, 'port'], `${port.port} stands twice`));
    seen.add(port.port);
  }
  return findings;
}

function checkShape(value: unknown, shape: Shape, path: FieldPath): Finding[] {
  if (shape === 'any' || value === undefined || value === null) return [];
  if (typeof shape === 'string') {
    const fits =
      shape === 'integer'
        ? Number.isInteger(value)
        : shape === 'mapping'
          ? isMapping(value)
          : shape === 'text mapping'
            ? isMapping(value) && Object.values(value).every((each) => typeof each === 'string')
            : typeof value === shape;
    return fits ? [] : [error(path, `must be ${DESCRIBED[shape]}`, shape === 'string' ? QUOTES : undefined)];
  }
  if ('list' in shape) {
    if (!Array.isArray(value)) return [error(path, 'must be a list')];
    return value.flatMap((each, index) => checkShape(each, shape.list, [...path, index]));
  }
  if (!isMapping(value)) return [error(path, 'must be a mapping')];
  return Object.entries(value).flatMap(([name, each]) => {
    const field = Object.hasOwn(shape.fields, name) ? shape.fields[name] : undefined;
    if (field !== undefined) return checkShape(each, field, [...path, name]);
    const guess = nearest(name, Object.keys(shape.fields));
    const finding = error([...path, name], 'unknown field', guess === undefined ? undefined : `did you mean ${guess}?`);
    return [{ ...finding, at: 'key' as const }];
  });
}

const QUOTES = 'numbers, true and false need quotes';
const DESCRIBED = {
  string: 'a string',
  boolean: 'true or false',
  integer: 'a whole number',
  mapping: 'a mapping',
  'text mapping': 'a mapping of names to text',
};

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
