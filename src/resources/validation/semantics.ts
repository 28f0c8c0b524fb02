// What the schema of a kind cannot say: the checks of each kind's own file, by kind.

import type { Finding } from '../finding.ts';
import type { Kind } from '../kinds.ts';
import { kindId, type ResourceObject } from '../object.ts';
import { KIND_IDS, type KindName, type Kinds } from '../types.ts';
import { validateConfigMap } from './config-map.ts';
import { validateDestinationRule } from './destination-rule.ts';
import { validateGateway } from './gateway.ts';
import { validateIstioOperator } from './istio-operator.ts';
import { validateSecret } from './secret.ts';
import { validateEndpointSlice, validateEndpoints, validateService } from './service.ts';
import { validateServiceEntry, validateWorkloadEntry } from './service-entry.ts';
import { checkLabels } from './syntax.ts';
import { validateVirtualService } from './virtual-service.ts';
import { validatePod, validateReplicated } from './workload.ts';

type Checks = { [Name in KindName]?: (object: Kinds[Name], now: Date) => Finding[] };

const CHECKS: Checks = {
  Gateway: validateGateway,
  VirtualService: validateVirtualService,
  DestinationRule: validateDestinationRule,
  ServiceEntry: validateServiceEntry,
  WorkloadEntry: validateWorkloadEntry,
  Service: validateService,
  Endpoints: validateEndpoints,
  EndpointSlice: validateEndpointSlice,
  Secret: validateSecret,
  ConfigMap: validateConfigMap,
};

type Check = (object: ResourceObject, now: Date) => Finding[];

const BY_ID = new Map<string, Check>([
  ...Object.entries(CHECKS).map(([name, check]) => [KIND_IDS[name as KindName], check as Check] as const),
  [kindId('install.istio.io', 'IstioOperator'), validateIstioOperator],
  [KIND_IDS.Deployment, validateReplicated],
  [kindId('apps', 'ReplicaSet'), validateReplicated],
  [KIND_IDS.Pod, validatePod],
]);

/**
 * Checks one object, whose schema is in order, by itself.
 *
 * @param now for the validity of certificates
 */
export function checkSemantics(kind: Kind, object: ResourceObject, now: Date): Finding[] {
  const check = BY_ID.get(kindId(kind.group, kind.name));
  return [...checkLabels(['metadata', 'labels'], object.metadata.labels), ...(check?.(object, now) ?? [])];
}
