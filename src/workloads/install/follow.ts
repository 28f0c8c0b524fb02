// IstioOperators of the store become the objects they stand for, and these go when they go. Without one that installs the mesh, the default profile is there.

import type { Logger } from 'pino';
import { describeKey, keyOf, type ResourceObject } from '../../resources/object.ts';
import type { Store } from '../../store/store.ts';
import { ingressGatewayObjects } from '../ingress-gateway.ts';
import { manifestOf } from './manifest.ts';

const ISTIO_OPERATOR = 'IstioOperator.install.istio.io';
/** The owner of the objects that are there without configuration. */
const BUILT_IN = 'built-in';

/**
 * Installs what the store's IstioOperators say, now and at each change, until the returned function is called. What operators of an earlier run
 * installed that are there no longer goes.
 */
export function followOperators(store: Store, log: Logger): () => void {
  /** By owner: the operator that was last installed. */
  const installed = new Map<string, ResourceObject>();
  let builtIn: boolean | undefined;

  const follow = () => {
    const operators = new Map(
      store.snapshot.listOf(ISTIO_OPERATOR).map((operator) => [describeKey(keyOf(operator)), operator]),
    );
    const manifests = new Map([...operators].map(([owner, operator]) => [owner, manifestOf(operator)]));
    const wanted = ![...manifests.values()].some(({ hasControlPlane }) => hasControlPlane);
    store.batch(() => {
      // Whoever is to have an object claims it before the other gives it up: so it is changed, not deleted and made anew, and its pods go on.
      const ofBuiltIn = wanted && builtIn !== true ? ingressGatewayObjects() : [];
      if (ofBuiltIn.length > 0) store.apply(BUILT_IN, withoutNamespaces(ofBuiltIn));
      const changed = [...manifests].filter(([owner]) => installed.get(owner) !== operators.get(owner));
      for (const [owner, manifest] of changed) store.apply(owner, withoutNamespaces(manifest.objects));
      store.retainOwners((owner) => !isOperator(owner) || operators.has(owner));
      if (!wanted && builtIn !== false) store.apply(BUILT_IN, []);
      for (const [owner, manifest] of changed) {
        for (const { key, heldBy } of store.apply(owner, withoutNamespaces(manifest.objects)))
          log.warn({ operator: owner, heldBy }, `${describeKey(key)} is there already, and stays as it is`);
        log.info({ operator: owner, components: manifest.components.join(', ') || 'none' }, 'installed');
      }
      makeNamespaces(store, [...ofBuiltIn, ...changed.flatMap(([, { objects }]) => objects)]);
    });
    builtIn = wanted;
    installed.clear();
    for (const [owner, operator] of operators) installed.set(owner, operator);
  };
  follow();
  return store.subscribe((_snapshot, changes) => {
    if (changes.some(({ object }) => object.kind === 'IstioOperator')) follow();
  });
}

function withoutNamespaces(objects: readonly ResourceObject[]): ResourceObject[] {
  return objects.filter(({ kind }) => kind !== 'Namespace');
}

/** Namespaces are made where they are missing and nobody's: they hold what others put there, so they outlive the operator, as with istioctl. */
function makeNamespaces(store: Store, objects: readonly ResourceObject[]): void {
  for (const object of objects)
    if (object.kind === 'Namespace' && store.snapshot.getOf('Namespace', '', object.metadata.name) === undefined)
      store.put(object);
}

/** Owners that are operators are called by kind and name. */
function isOperator(owner: string): boolean {
  return owner.startsWith('IstioOperator ');
}
