// An IstioOperator as the objects it stands for. Pure.

import { stringify } from 'yaml';
import { DEFAULT_PROFILE, type IstioOperatorSpec, PROFILES, type Profile } from '../../resources/istio-operator.ts';
import type { ResourceObject } from '../../resources/object.ts';
import { gatewayObjects, ROOT_NAMESPACE } from './gateway-objects.ts';
import { mergeOperators } from './merge.ts';
import { PROFILE_SPECS } from './profiles.ts';

/** The labels of what an IstioOperator installs: the operator's name, and its namespace. */
export const OWNING_RESOURCE = 'install.operator.istio.io/owning-resource';
export const OWNING_RESOURCE_NAMESPACE = 'install.operator.istio.io/owning-resource-namespace';

/** What an IstioOperator installs. */
export interface Manifest {
  readonly objects: readonly ResourceObject[];
  /** Whether the mesh itself is part of it; an operator of gateways alone (profile `empty`) leaves that as it is. */
  readonly hasControlPlane: boolean;
  /** The components, as `istioctl install` lists them: `Istio core`, `Istiod`, `Ingress gateways`. */
  readonly components: readonly string[];
}

/** The objects of an IstioOperator, each with the label that names it. The object has been checked: see resources/validation. */
export function manifestOf({ metadata, spec }: ResourceObject): Manifest {
  const { meshConfig, components = {}, namespace = ROOT_NAMESPACE } = completeSpec((spec ?? {}) as IstioOperatorSpec);
  const hasControlPlane = components.pilot?.enabled === true;
  const gateways = (components.ingressGateways ?? []).filter(({ enabled }) => enabled === true);
  const objects: ResourceObject[] = [];
  const namespaces = new Set(gateways.map((gateway) => gateway.namespace ?? namespace));
  if (hasControlPlane) namespaces.add(ROOT_NAMESPACE);
  for (const name of namespaces) objects.push({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  if (hasControlPlane && meshConfig !== undefined) {
    const configMap: ResourceObject & { data: Record<string, string> } = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'istio', namespace: ROOT_NAMESPACE },
      data: { mesh: stringify(meshConfig) },
    };
    objects.push(configMap);
  }
  for (const gateway of gateways) {
    const { serviceAccount, service, deployment } = gatewayObjects(gateway, namespace);
    objects.push(serviceAccount, service, deployment);
  }
  const owner = {
    [OWNING_RESOURCE]: metadata.name,
    [OWNING_RESOURCE_NAMESPACE]: metadata.namespace ?? ROOT_NAMESPACE,
  };
  return {
    // Namespaces are not labelled: they outlive the operator.
    objects: objects.map((object) =>
      object.kind === 'Namespace'
        ? object
        : { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...owner } } },
    ),
    hasControlPlane,
    components: [
      ...(components.base?.enabled ? ['Istio core'] : []),
      ...(hasControlPlane ? ['Istiod'] : []),
      ...(gateways.length > 0 ? ['Ingress gateways'] : []),
    ],
  };
}

/** The profile's settings, with the operator's own over them. */
export function completeSpec(spec: IstioOperatorSpec): IstioOperatorSpec {
  const profile = PROFILES.find((known) => known === spec.profile) ?? (DEFAULT_PROFILE satisfies Profile);
  return { ...mergeOperators(PROFILE_SPECS[profile], spec), profile };
}
