// Fields that Istio honours and Limen does not yet: said for each object that serves, so that nothing is silently ignored.

import { keyOf } from '../resources/object.ts';
import type { DestinationRule, Gateway, TrafficPolicy } from '../resources/types.ts';
import { Selected } from './differences.ts';
import type { MergedGateways } from './gateways/merge.ts';
import { knownCipherSuites } from './listeners/tls.ts';
import { MESH_GATEWAY } from './mesh/mesh-routes.ts';
import type { Notice } from './notice.ts';
import type { PushContext } from './push-context.ts';
import type { RoutedVirtualService } from './routes/virtual-services.ts';

const NOT_YET = 'is not translated by Limen yet, so it has no effect';

/**
 * Notices for the Gateways of a proxy, the VirtualServices bound to them, and all DestinationRules and the mesh configuration.
 * @param servesMesh whether VirtualServices of the mesh are its, too
 */
export function untranslatedFields(
  context: PushContext,
  gateways: MergedGateways,
  servesMesh: boolean,
  nodeId: string,
): Notice[] {
  const notices: Notice[] = [...context.mesh.notices, ...context.destinationRules.notices];
  const names = new Set<string>(servesMesh ? [MESH_GATEWAY] : []);
  const seen = new Set<Gateway>();
  for (const { servers } of gateways.ports) {
    for (const { gateway, gatewayName } of servers) {
      names.add(gatewayName);
      if (seen.has(gateway)) continue;
      seen.add(gateway);
      append(notices, ofGateway(gateway));
    }
  }
  const selected = context.memo.get(`${nodeId}/untranslated`, [], () => new Selected<RoutedVirtualService>());
  for (const virtualService of selected.of(context.virtualServices.all, (each) => ofVirtualService(each).length > 0)) {
    if (virtualService.gateways.some((gateway) => names.has(gateway)))
      append(notices, ofVirtualService(virtualService));
  }
  for (const rule of context.snapshot.list('DestinationRule')) append(notices, ofDestinationRule(rule));
  return notices;
}

function append(notices: Notice[], more: readonly Notice[]): void {
  for (const notice of more) notices.push(notice);
}

const remembered = new WeakMap<object, readonly Notice[]>();

function once(item: object, find: () => Notice[]): readonly Notice[] {
  let notices = remembered.get(item);
  if (notices === undefined) {
    notices = find();
    remembered.set(item, notices);
  }
  return notices;
}

function ofGateway(gateway: Gateway): readonly Notice[] {
  return once(gateway, () =>
    (gateway.spec?.servers ?? []).flatMap(({ tls, defaultEndpoint }, index) => {
      const notice = (field: string, message: string) => ({
        object: keyOf(gateway),
        field: `spec.servers[${index}].${field}`,
        message,
      });
      const notices: Notice[] = [];
      if (defaultEndpoint !== undefined) notices.push(notice('defaultEndpoint', NOT_YET));
      for (const field of ['caCrl', 'caCertCredentialName', 'tlsCertificates', 'caCertificates'] as const) {
        if (tls?.[field] !== undefined) notices.push(notice(`tls.${field}`, NOT_YET));
      }
      const known = knownCipherSuites(tls?.cipherSuites);
      for (const suite of new Set(tls?.cipherSuites ?? [])) {
        if (!known.includes(suite))
          notices.push(notice('tls.cipherSuites', `${suite} is no cipher suite that the proxy knows: it is left out`));
      }
      return notices;
    }),
  );
}

function ofVirtualService(virtualService: RoutedVirtualService): readonly Notice[] {
  return once(virtualService, () =>
    virtualService.http
      .flatMap(({ route, origin }) => {
        const notices: Notice[] = [];
        if (route.retries?.retryRemoteLocalities) {
          notices.push({
            object: origin.object,
            field: `${origin.field}.retries.retryRemoteLocalities`,
            message: NOT_YET,
          });
        }
        return notices;
      })
      .concat(
        [...virtualService.tcp, ...virtualService.tls].flatMap(({ route, origin }) =>
          (route.match ?? []).flatMap((match, index) =>
            match.destinationSubnets === undefined
              ? []
              : [
                  {
                    object: origin.object,
                    field: `${origin.field}.match[${index}].destinationSubnets`,
                    message: NOT_YET,
                  },
                ],
          ),
        ),
      ),
  );
}

/** What of a traffic policy is honoured. */
const HONOURED_POLICY = new Set(['loadBalancer', 'tls', 'portLevelSettings']);

function ofDestinationRule(rule: DestinationRule): readonly Notice[] {
  return once(rule, () => {
    const object = keyOf(rule);
    const ofPolicy = (policy: object | undefined, path: string): Notice[] =>
      Object.keys(policy ?? {}).flatMap((field) => {
        if (!HONOURED_POLICY.has(field)) return [{ object, field: `${path}.${field}`, message: NOT_YET }];
        if (field === 'tls') return [];
        if (field === 'portLevelSettings') {
          return ((policy as TrafficPolicy).portLevelSettings ?? []).flatMap(({ port: _port, ...settings }, index) =>
            ofPolicy(settings, `${path}.portLevelSettings[${index}]`),
          );
        }
        const balancer = (policy as { loadBalancer?: { simple?: string } }).loadBalancer ?? {};
        return Object.entries(balancer).flatMap(([name, value]) =>
          name === 'simple' && HONOURED_BALANCERS.has(String(value))
            ? []
            : [{ object, field: `${path}.loadBalancer.${name}`, message: NOT_YET }],
        );
      });
    return [
      ...ofPolicy(rule.spec?.trafficPolicy, 'spec.trafficPolicy'),
      ...(rule.spec?.subsets ?? []).flatMap(({ trafficPolicy }, index) =>
        ofPolicy(trafficPolicy, `spec.subsets[${index}].trafficPolicy`),
      ),
    ];
  });
}

const HONOURED_BALANCERS = new Set(['UNSPECIFIED', 'LEAST_REQUEST', 'LEAST_CONN', 'ROUND_ROBIN', 'RANDOM']);
