// References between objects that lead nowhere: missing gateways, services, ports, subsets and secrets. Such a
// reference costs only the route, server or port it stands in.

import type { FieldPath } from '../field-path.ts';
import { error, type Finding } from '../finding.ts';
import { hostMatches } from '../hosts.ts';
import { resolveGatewayName, resolveShortName, serviceHost } from '../names.ts';
import { nearest } from '../nearest.ts';
import type { ResourceObject } from '../object.ts';
import { matchesLabels } from '../selectors.ts';
import type { Snapshot } from '../snapshot.ts';
import type { Gateway, VirtualService } from '../types.ts';
import type { Destination } from './destination.ts';
import { findMissingTargetPorts } from './target-ports.ts';

/** What is wrong with an object in the company of the others. */
export interface ObjectFinding {
  object: ResourceObject;
  finding: Finding;
}

/**
 * Every reference that does not resolve within the snapshot. Gateway workloads are its Pods and the pods its Deployments will have.
 *
 * @param refused objects (`Kind namespace/name`) that are not in the snapshot because of errors of their own: they count as found
 */
export function findDanglingReferences(snapshot: Snapshot, refused: ReadonlySet<string> = new Set()): ObjectFinding[] {
  const index = new ReferenceIndex(snapshot, refused);
  const findings: ObjectFinding[] = [];
  for (const gateway of snapshot.list('Gateway'))
    for (const finding of checkGateway(gateway, index)) findings.push({ object: gateway, finding });
  for (const virtualService of snapshot.list('VirtualService'))
    for (const finding of checkVirtualService(virtualService, index))
      findings.push({ object: virtualService, finding });
  for (const rule of snapshot.list('DestinationRule')) {
    const { host } = rule.spec!;
    if (!host.includes('*') && index.service(host, rule.metadata.namespace!) === undefined)
      findings.push({ object: rule, finding: missingService(['spec', 'host'], host, rule.metadata.namespace!, index) });
  }
  findings.push(...findMissingTargetPorts(snapshot));
  return findings;
}

interface KnownService {
  host: string;
  /** Undefined where any port goes. */
  ports: ReadonlySet<number> | undefined;
}

/** The names that references are looked up in. */
class ReferenceIndex {
  readonly snapshot: Snapshot;
  readonly refused: ReadonlySet<string>;
  /** A refused object may have had any host or subset. */
  readonly anyHost: boolean;
  readonly anySubset: boolean;
  readonly workloads: readonly { namespace: string; labels: Readonly<Record<string, string>> | undefined }[];
  readonly gateways: ReadonlySet<string>;
  readonly #services = new Map<string, KnownService>();
  readonly #wildcards: KnownService[] = [];
  /** By host of a DestinationRule: its subsets. */
  readonly #subsets = new Map<string, Set<string>>();

  constructor(snapshot: Snapshot, refused: ReadonlySet<string>) {
    this.snapshot = snapshot;
    this.refused = refused;
    this.anyHost = [...refused].some((key) => key.startsWith('ServiceEntry '));
    this.anySubset = [...refused].some((key) => key.startsWith('DestinationRule '));
    this.workloads = [
      ...snapshot.list('Pod').map((pod) => ({ namespace: pod.metadata.namespace!, labels: pod.metadata.labels })),
      ...snapshot
        .list('Deployment')
        .map(({ metadata, spec }) => ({ namespace: metadata.namespace!, labels: spec?.template.metadata?.labels })),
    ];
    this.gateways = new Set(snapshot.list('Gateway').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
    for (const { metadata, spec } of snapshot.list('Service')) {
      const host = serviceHost(metadata.name, metadata.namespace!);
      this.#services.set(host, { host, ports: new Set((spec?.ports ?? []).map(({ port }) => port)) });
    }
    for (const { spec } of snapshot.list('ServiceEntry')) {
      for (const host of spec?.hosts ?? []) {
        const entry = { host, ports: new Set((spec?.ports ?? []).map(({ number }) => number)) };
        if (host.startsWith('*')) this.#wildcards.push(entry);
        else if (!this.#services.has(host)) this.#services.set(host, entry);
      }
    }
    for (const { metadata, spec } of snapshot.list('DestinationRule')) {
      const host = resolveShortName(spec!.host, metadata.namespace!);
      const names = this.#subsets.get(host) ?? new Set();
      for (const { name } of spec!.subsets ?? []) names.add(name);
      this.#subsets.set(host, names);
    }
  }

  service(host: string, namespace: string): KnownService | undefined {
    const full = resolveShortName(host, namespace);
    const found = this.#services.get(full) ?? this.#wildcards.find((entry) => hostMatches(entry.host, full));
    if (found !== undefined) return found;
    const [name, of] = full.split('.');
    const wasRefused = this.anyHost || (full === serviceHost(name!, of!) && this.refused.has(`Service ${of}/${name}`));
    return wasRefused ? { host: full, ports: undefined } : undefined;
  }

  hosts(): string[] {
    return [...this.#services.keys()];
  }

  subsets(host: string): ReadonlySet<string> {
    const exact = this.#subsets.get(host);
    if (exact !== undefined) return exact;
    for (const [pattern, names] of this.#subsets)
      if (pattern.startsWith('*') && hostMatches(pattern, host)) return names;
    return new Set();
  }
}

function checkGateway(gateway: Gateway, index: ReferenceIndex): Finding[] {
  const { selector = {}, servers = [] } = gateway.spec ?? {};
  const workloads = index.workloads.filter(({ labels }) => matchesLabels(selector, labels));
  if (workloads.length === 0) {
    const text = Object.entries(selector)
      .map(([key, value]) => `${key}=${value}`)
      .join(',');
    return [
      {
        ...error(
          ['spec', 'selector'],
          `no gateway workload has the labels ${text}`,
          'the default gateway has "istio: ingressgateway"',
        ),
        at: 'key',
      },
    ];
  }
  const namespaces = [...new Set(workloads.map(({ namespace }) => namespace))];
  const findings: Finding[] = [];
  for (const [position, { tls }] of servers.entries()) {
    if (tls === undefined || tls.mode === undefined || !/^(SIMPLE|MUTUAL|OPTIONAL_MUTUAL)$/.test(tls.mode)) continue;
    const path: FieldPath = ['spec', 'servers', position, 'tls'];
    const names: [FieldPath, string][] = [
      ...(tls.credentialName ? [[[...path, 'credentialName'], tls.credentialName] as [FieldPath, string]] : []),
      ...(tls.credentialNames ?? []).map((name, item): [FieldPath, string] => [
        [...path, 'credentialNames', item],
        name,
      ]),
    ];
    const needsAuthorities = tls.mode !== 'SIMPLE';
    for (const [at, name] of names)
      findings.push(...checkCredential(at, { name, needsAuthorities, namespaces }, index));
  }
  return findings;
}

/** A Secret that a server names. */
interface Credential {
  name: string;
  /** Clients must present a certificate, which is verified with the Secret's `ca.crt`. */
  needsAuthorities: boolean;
  /** Where it may be. */
  namespaces: readonly string[];
}

function checkCredential(
  path: FieldPath,
  { name, needsAuthorities, namespaces }: Credential,
  { snapshot, refused }: ReferenceIndex,
): Finding[] {
  if (
    namespaces.some(
      (namespace) =>
        snapshot.get('Secret', namespace, name) !== undefined || refused.has(`Secret ${namespace}/${name}`),
    )
  )
    return [];
  const elsewhere = snapshot.list('Secret').find(({ metadata }) => metadata.name === name);
  const where = namespaces.join(' or ');
  const contents = needsAuthorities
    ? `secret generic ${name} --from-file=tls.crt=FILE --from-file=tls.key=FILE --from-file=ca.crt=FILE`
    : `secret tls ${name} --cert FILE --key FILE`;
  const hint =
    elsewhere === undefined
      ? `make it with: kubectl create -n ${namespaces[0]} ${contents}; for a file, add --dry-run=client -o yaml`
      : `there is one in namespace ${elsewhere.metadata.namespace}: secrets are read from the namespace of the gateway workload`;
  return [error(path, `secret ${name} not found in namespace ${where}`, hint)];
}

function checkVirtualService(virtualService: VirtualService, index: ReferenceIndex): Finding[] {
  const namespace = virtualService.metadata.namespace!;
  const { gateways = [], http = [], tls = [], tcp = [] } = virtualService.spec ?? {};
  const findings: Finding[] = [];
  const check = (destination: Destination, path: FieldPath) =>
    findings.push(...checkDestination(destination, path, namespace, index));
  for (const [position, name] of gateways.entries())
    findings.push(...checkGatewayName(name, ['spec', 'gateways', position], namespace, index));
  for (const [position, route] of http.entries()) {
    const path: FieldPath = ['spec', 'http', position];
    for (const [item, { destination }] of (route.route ?? []).entries())
      check(destination, [...path, 'route', item, 'destination']);
    if (route.mirror !== undefined) check(route.mirror, [...path, 'mirror']);
    for (const [item, { destination }] of (route.mirrors ?? []).entries())
      check(destination, [...path, 'mirrors', item, 'destination']);
    for (const [item, match] of (route.match ?? []).entries())
      for (const [place, name] of (match.gateways ?? []).entries())
        findings.push(...checkGatewayName(name, [...path, 'match', item, 'gateways', place], namespace, index));
    const { delegate } = route;
    if (delegate?.name) {
      const [of, target] = [delegate.namespace || namespace, delegate.name];
      if (
        index.snapshot.get('VirtualService', of, target) === undefined &&
        !index.refused.has(`VirtualService ${of}/${target}`)
      )
        findings.push(error([...path, 'delegate', 'name'], `VirtualService ${of}/${target} not found`));
    }
  }
  for (const [field, routes] of [
    ['tls', tls],
    ['tcp', tcp],
  ] as const)
    for (const [position, route] of routes.entries())
      for (const [item, { destination }] of (route.route ?? []).entries())
        check(destination, ['spec', field, position, 'route', item, 'destination']);
  return findings;
}

function checkGatewayName(
  name: string,
  path: FieldPath,
  namespace: string,
  { gateways, refused }: ReferenceIndex,
): Finding[] {
  if (name === 'mesh') return [];
  const full = resolveGatewayName(name, namespace);
  if (gateways.has(full) || refused.has(`Gateway ${full}`)) return [];
  const guess =
    nearest(full, gateways) ?? [...gateways].find((other) => other.endsWith(`/${full.slice(full.indexOf('/') + 1)}`));
  return [
    error(
      path,
      `Gateway ${full} not found`,
      guess === undefined ? 'a Gateway of another namespace is written namespace/name' : `did you mean ${guess}?`,
    ),
  ];
}

function checkDestination(
  { host, port, subset }: Destination,
  path: FieldPath,
  namespace: string,
  index: ReferenceIndex,
): Finding[] {
  const service = index.service(host, namespace);
  if (service === undefined) return [missingService([...path, 'host'], host, namespace, index)];
  const findings: Finding[] = [];
  const { ports } = service;
  if (port?.number !== undefined && ports !== undefined && !ports.has(port.number))
    findings.push(
      error(
        [...path, 'port', 'number'],
        `${service.host} has no port ${port.number}`,
        ports.size === 0 ? 'it has no ports' : `its ports: ${[...ports].join(', ')}`,
      ),
    );
  if (port?.number === undefined && ports !== undefined && ports.size > 1)
    findings.push(
      error(
        [...path, 'host'],
        `${service.host} has several ports: port is required`,
        `add "port: {number: …}": ${[...ports].join(', ')}`,
      ),
    );
  if (subset) {
    const subsets = index.subsets(resolveShortName(host, namespace));
    if (!subsets.has(subset) && !index.anySubset) {
      const hint =
        subsets.size === 0
          ? `add a DestinationRule for ${service.host} with this subset`
          : `its subsets: ${[...subsets].join(', ')}`;
      findings.push(error([...path, 'subset'], `no DestinationRule of ${service.host} has subset ${subset}`, hint));
    }
  }
  return findings;
}

function missingService(path: FieldPath, host: string, namespace: string, index: ReferenceIndex): Finding {
  const full = resolveShortName(host, namespace);
  const short = full.split('.')[0];
  const hosts = index.hosts();
  const guess = hosts.find((other) => other.split('.')[0] === short) ?? nearest(full, hosts);
  const added = full === host ? '' : ` (${full})`;
  const hint =
    guess === undefined
      ? 'add a Service or a ServiceEntry with this host'
      : `did you mean ${guess}? A name without dots is looked for in the own namespace`;
  return error(path, `service ${host}${added} not found`, hint);
}
