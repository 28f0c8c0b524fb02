// DestinationRules by host: which one counts for a service, seen from a proxy's namespace.

import { resolveShortName } from '../resources/names.ts';
import { keyOf } from '../resources/object.ts';
import type { DestinationRule, Subset, TrafficPolicy } from '../resources/types.ts';
import { HostIndex, ROOT_NAMESPACE } from './hosts.ts';
import type { Memo } from './memo.ts';
import type { Notice } from './notice.ts';
import type { MeshService } from './registry/service.ts';
import { isVisibleTo, type Visibility, visibilityOf } from './visibility.ts';

/** What all DestinationRules of one namespace say about one host. */
export interface MergedDestinationRule {
  /** The oldest, which names the result. */
  readonly rule: DestinationRule;
  readonly trafficPolicy: TrafficPolicy | undefined;
  readonly subsets: readonly Subset[];
}

/** DestinationRules by host. */
export interface DestinationRuleIndex {
  /** The rule for a service as a proxy of that namespace sees it. */
  ruleFor(service: MeshService, proxyNamespace: string): MergedDestinationRule | undefined;
  readonly notices: readonly Notice[];
}

interface HostRules {
  readonly visibility: Visibility;
  readonly rule: MergedDestinationRule;
}

interface NamespaceRules {
  readonly byHost: Map<string, HostRules[]>;
  hosts: HostIndex;
}

/** Indexes DestinationRules, oldest first. */
export function createDestinationRuleIndex(rules: readonly DestinationRule[], memo: Memo): DestinationRuleIndex {
  return memo.get('destination-rule-index', [rules], () => buildIndex(rules));
}

function buildIndex(rules: readonly DestinationRule[]): DestinationRuleIndex {
  const namespaces = new Map<string, NamespaceRules>();
  const notices: Notice[] = [];
  for (const rule of rules) {
    const { namespace = '' } = rule.metadata;
    if (rule.spec?.host === undefined) continue;
    if (rule.spec.workloadSelector !== undefined) {
      notices.push({
        object: keyOf(rule),
        field: 'spec.workloadSelector',
        message: 'is not honoured by Limen yet, so the rule is ignored',
      });
      continue;
    }
    const host = resolveShortName(rule.spec.host, namespace).toLowerCase();
    let ofNamespace = namespaces.get(namespace);
    if (ofNamespace === undefined) {
      ofNamespace = { byHost: new Map(), hosts: new HostIndex([]) };
      namespaces.set(namespace, ofNamespace);
    }
    const visibility = visibilityOf(rule.spec.exportTo, namespace);
    const list = ofNamespace.byHost.get(host) ?? [];
    const same = list.findIndex((other) => describeVisibility(other.visibility) === describeVisibility(visibility));
    const older = list[same];
    if (older === undefined) list.push({ visibility, rule: single(rule) });
    else list[same] = { visibility, rule: mergeRules(older.rule, rule, notices) };
    ofNamespace.byHost.set(host, list);
  }
  for (const ofNamespace of namespaces.values()) ofNamespace.hosts = new HostIndex(ofNamespace.byHost.keys());

  const find = (namespace: string, host: string, viewer: string): MergedDestinationRule | undefined => {
    const ofNamespace = namespaces.get(namespace);
    const key = ofNamespace?.hosts.mostSpecific(host);
    if (ofNamespace === undefined || key === undefined) return undefined;
    return ofNamespace.byHost.get(key)?.find(({ visibility }) => isVisibleTo(visibility, viewer))?.rule;
  };

  return {
    notices,
    // The order of https://istio.io/latest/docs/ops/best-practices/traffic-management/#cross-namespace-configuration:
    // the client's namespace, the service's, the root's. For a client in the root namespace the first step would let
    // rules that are meant for everyone hide those of the service, so there it is left to the last.
    ruleFor(service, proxyNamespace) {
      const host = service.hostname.toLowerCase();
      const own = proxyNamespace === ROOT_NAMESPACE ? undefined : find(proxyNamespace, host, proxyNamespace);
      return own ?? find(service.namespace, host, proxyNamespace) ?? find(ROOT_NAMESPACE, host, proxyNamespace);
    },
  };
}

function describeVisibility(visibility: Visibility): string {
  return visibility === 'public' ? '*' : [...visibility].sort().join(',');
}

// The identical result for the identical rule: one rule that changed must not make the clusters of all others look changed.
const singles = new WeakMap<DestinationRule, MergedDestinationRule>();

function single(rule: DestinationRule): MergedDestinationRule {
  let merged = singles.get(rule);
  if (merged === undefined) {
    merged = { rule, trafficPolicy: rule.spec?.trafficPolicy, subsets: rule.spec?.subsets ?? [] };
    singles.set(rule, merged);
  }
  return merged;
}

/** Several rules for one host: subsets add up by name, and the oldest traffic policy stands. */
function mergeRules(older: MergedDestinationRule, rule: DestinationRule, notices: Notice[]): MergedDestinationRule {
  const names = new Set(older.subsets.map(({ name }) => name));
  const added: Subset[] = [];
  const olderName = `${older.rule.metadata.namespace}/${older.rule.metadata.name}`;
  for (const [index, subset] of (rule.spec?.subsets ?? []).entries()) {
    if (!names.has(subset.name)) added.push(subset);
    else {
      const message = `subset '${subset.name}' already stands in DestinationRule ${olderName}, which is older`;
      notices.push({ object: keyOf(rule), field: `spec.subsets[${index}]`, message: `is ignored: ${message}` });
    }
  }
  if (older.trafficPolicy !== undefined && rule.spec?.trafficPolicy !== undefined) {
    const message = `is ignored: DestinationRule ${olderName}, which is older, already has one for this host`;
    notices.push({ object: keyOf(rule), field: 'spec.trafficPolicy', message });
  }
  return {
    rule: older.rule,
    trafficPolicy: older.trafficPolicy ?? rule.spec?.trafficPolicy,
    subsets: [...older.subsets, ...added],
  };
}
