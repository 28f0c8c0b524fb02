// Which pods have a sidecar: all but those that are proxies themselves, and those that say no.
// https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/#controlling-the-injection-policy

import type { Deployment, Pod } from '../../../resources/types.ts';
import { isGatewayImage } from '../gateways/image.ts';

/** A label, in older manifests an annotation. */
const INJECT = 'sidecar.istio.io/inject';

/** What pods are made of. */
export type PodTemplate = NonNullable<Deployment['spec']>['template'];

/** Whether a pod, or those made of a template, get a sidecar. */
export function hasSidecar({ metadata, spec }: Pod | PodTemplate): boolean {
  const wish = metadata?.labels?.[INJECT] ?? metadata?.annotations?.[INJECT];
  if (wish === 'false' || spec?.hostNetwork === true) return false;
  return !(spec?.containers ?? []).some(({ image = '' }) => isGatewayImage(image));
}
