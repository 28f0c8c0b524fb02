// Requests worth trying: for each VirtualService on a gateway, a host and a path that it routes.

import { hostsOverlap, parseServerHost } from '../../resources/hosts.ts';
import { matchesLabels } from '../../resources/selectors.ts';
import type { Snapshot } from '../../resources/snapshot.ts';
import type { HttpRoute, VirtualService } from '../../resources/types.ts';
import { samplePath } from '../../workloads/images/registry.ts';
import type { TryLine } from './banner.ts';

/** How many lines a reader takes in. */
const MOST = 4;

/** Up to four requests that the configuration routes, in the order of the VirtualServices. */
export function triesOf(snapshot: Snapshot): TryLine[] {
  const tries: TryLine[] = [];
  for (const virtualService of snapshot.list('VirtualService')) {
    if (tries.length === MOST) break;
    const { spec, metadata } = virtualService;
    const route = spec?.http?.find((candidate) => pathOf(snapshot, virtualService, candidate) !== undefined);
    const admitted = hostsInPlainText(snapshot, virtualService);
    const host = spec?.hosts?.find((candidate) => admitted.some((other) => hostsOverlap(candidate, other)));
    if (host === undefined || route === undefined || host.startsWith('*.')) continue;
    const path = pathOf(snapshot, virtualService, route) as string;
    tries.push({ host, path, virtualService: `${metadata.namespace}/${metadata.name}` });
  }
  return tries;
}

/** The hosts that the VirtualService's Gateways serve in plain HTTP, without a redirect to HTTPS. */
function hostsInPlainText(snapshot: Snapshot, { spec, metadata }: VirtualService): string[] {
  return (spec?.gateways ?? []).flatMap((reference) => {
    const [namespace = '', name] = reference.includes('/') ? reference.split('/') : [metadata.namespace, reference];
    const servers = snapshot.get('Gateway', namespace, name ?? '')?.spec?.servers ?? [];
    return servers
      .filter(({ port, tls }) => /^http2?$/i.test(port.protocol) && tls?.httpsRedirect !== true)
      .flatMap(({ hosts }) => hosts.map((host) => parseServerHost(host).host));
  });
}

/** A path the route matches, or undefined where only a regular expression or another condition would tell. */
function pathOf(snapshot: Snapshot, virtualService: VirtualService, route: HttpRoute): string | undefined {
  const match = route.match?.[0];
  if (match?.method !== undefined || match?.headers !== undefined || match?.queryParams !== undefined) return undefined;
  if (match?.uri === undefined) return samplePathOf(snapshot, virtualService, route) ?? '/';
  const { exact, prefix } = match.uri as { exact?: string; prefix?: string };
  return prefix === '/' ? (samplePathOf(snapshot, virtualService, route) ?? '/') : (exact ?? prefix);
}

/** The path to try of the sample image behind a route, where it leads to one. */
function samplePathOf(snapshot: Snapshot, { metadata }: VirtualService, route: HttpRoute): string | undefined {
  const host = route.route?.[0]?.destination?.host;
  if (host === undefined) return undefined;
  const [name = '', namespace = metadata.namespace ?? ''] = host.split('.');
  const selector = snapshot.get('Service', namespace, name)?.spec?.selector;
  if (selector === undefined) return undefined;
  for (const deployment of snapshot.list('Deployment')) {
    if (deployment.metadata.namespace !== namespace) continue;
    const labels = deployment.spec?.template.metadata?.labels ?? {};
    if (!matchesLabels(selector, labels)) continue;
    for (const { image } of deployment.spec?.template.spec?.containers ?? []) {
      const path = image === undefined ? undefined : samplePath(image);
      if (path !== undefined) return path;
    }
  }
  return undefined;
}
