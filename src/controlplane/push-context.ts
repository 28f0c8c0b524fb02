// One snapshot, indexed once for all proxies.

import { byAge, type ResourceObject } from '../resources/object.ts';
import type { Snapshot } from '../resources/snapshot.ts';
import type { Gateway } from '../resources/types.ts';
import { createDestinationRuleIndex, type DestinationRuleIndex } from './destination-rules.ts';
import { Sorted } from './differences.ts';
import { ROOT_NAMESPACE } from './hosts.ts';
import { Memo } from './memo.ts';
import { type MeshConfig, readMeshConfig } from './mesh-config.ts';
import { createRegistry, type Registry } from './registry/registry.ts';
import { createVirtualServiceIndex, type VirtualServiceIndex } from './routes/virtual-services.ts';

/** What translation reads. Immutable but for the memo, which holds nothing that could not be built again. */
export interface PushContext {
  readonly snapshot: Snapshot;
  readonly mesh: MeshConfig;
  readonly registry: Registry;
  /** Oldest first. */
  readonly gateways: readonly Gateway[];
  readonly virtualServices: VirtualServiceIndex;
  readonly destinationRules: DestinationRuleIndex;
  readonly memo: Memo;
}

/**
 * Indexes a snapshot.
 * @param snapshot unchanged objects must be the identical objects as in the snapshot before
 * @param previous the context before: what did not change since is taken over from it
 */
export function createPushContext(snapshot: Snapshot, previous?: PushContext): PushContext {
  const memo = new Memo(previous?.memo);
  const meshConfigMap = snapshot.get('ConfigMap', ROOT_NAMESPACE, 'istio');
  return {
    snapshot,
    memo,
    mesh: memo.get('mesh', [meshConfigMap], () => readMeshConfig(meshConfigMap)),
    registry: createRegistry(snapshot, memo),
    gateways: sortByAge('gateways', snapshot.list('Gateway'), memo),
    virtualServices: createVirtualServiceIndex(
      sortByAge('virtual-services', snapshot.list('VirtualService'), memo),
      memo,
    ),
    destinationRules: createDestinationRuleIndex(
      sortByAge('destination-rules', snapshot.list('DestinationRule'), memo),
      memo,
    ),
  };
}

function sortByAge<Item extends ResourceObject>(name: string, items: Item[], memo: Memo): readonly Item[] {
  return memo.get(name, [], () => new Sorted<Item>(byAge)).of(items);
}
