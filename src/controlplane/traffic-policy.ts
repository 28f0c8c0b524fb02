// What a DestinationRule says for one port of one subset: the rule's policy, the subset's on top, each with its port's.
// https://istio.io/latest/docs/reference/config/networking/destination-rule/#TrafficPolicy

import type { Subset, TrafficPolicy } from '../resources/types.ts';
import type { MergedDestinationRule } from './destination-rules.ts';

export type ClientTls = NonNullable<TrafficPolicy['tls']>;

/** The parts of a policy that are translated. */
export interface EffectivePolicy {
  readonly loadBalancer: TrafficPolicy['loadBalancer'];
  readonly tls: ClientTls | undefined;
  /** Where `tls` stands, `spec.subsets[0].trafficPolicy.tls`. */
  readonly tlsField: string;
}

/** The policy for a port. What a port's own settings leave out goes back to the defaults, not to what stands above them. */
export function effectivePolicy(
  rule: MergedDestinationRule | undefined,
  subset: Subset | undefined,
  port: number,
): EffectivePolicy {
  let effective: EffectivePolicy = { loadBalancer: undefined, tls: undefined, tlsField: '' };
  const index = subset === undefined ? -1 : (rule?.rule.spec?.subsets ?? []).indexOf(subset);
  const subsetField = index < 0 ? `spec.subsets[name=${subset?.name}]` : `spec.subsets[${index}]`;
  for (const [policy, field] of [
    [rule?.trafficPolicy, 'spec.trafficPolicy'],
    [subset?.trafficPolicy, `${subsetField}.trafficPolicy`],
  ] as const) {
    if (policy === undefined) continue;
    const position = (policy.portLevelSettings ?? []).findIndex((settings) => settings.port?.number === port);
    const ofPort = policy.portLevelSettings?.[position];
    if (ofPort !== undefined) {
      const tlsField = `${field}.portLevelSettings[${position}].tls`;
      effective = { loadBalancer: ofPort.loadBalancer, tls: ofPort.tls, tlsField };
    } else {
      effective = {
        loadBalancer: policy.loadBalancer ?? effective.loadBalancer,
        tls: policy.tls ?? effective.tls,
        tlsField: policy.tls === undefined ? effective.tlsField : `${field}.tls`,
      };
    }
  }
  return effective;
}
