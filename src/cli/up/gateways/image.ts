// Which containers are gateways: Limen's own image, Istio's proxy, and the image that Istio's injection template for gateways fills in.
// https://istio.io/latest/docs/setup/additional-setup/gateway/#deploying-a-gateway

import type { Pod } from '../../../resources/types.ts';

/** What stands in a manifest where injection is to put the proxy's image. */
const INJECTED = 'auto';
const TEMPLATES = 'inject.istio.io/templates';

/** Whether an image is that of a gateway: `limen/proxy`, `[HOST/]istio/proxyv2` (and a registry's mirror of it), `auto`. */
export function isGatewayImage(image: string): boolean {
  const repository = image.replace(/@.*$/, '').replace(/:[^/]*$/, '');
  return repository === INJECTED || /(^|\/)(limen\/proxy|proxyv2)$/.test(repository);
}

/** Why a container with such an image is none of a gateway, or undefined. `auto` is also what sidecars are injected for. */
export function whyNoGateway(image: string, { metadata }: Pod): string | undefined {
  const templates = metadata.annotations?.[TEMPLATES]?.split(',').map((name) => name.trim()) ?? [];
  if (image !== INJECTED || templates.includes('gateway')) return undefined;
  return `the image "${INJECTED}" stands for a gateway where the pod template has the annotation ${TEMPLATES}: gateway`;
}
