// Defaults of a Service's spec. Addresses and node ports are given out by whoever stores it.

import { type Fields, withDefault } from './fields.ts';

/** @param spec whose types are right */
export function serviceDefaults(spec: Fields): Fields {
  const complete = withDefault(spec, { type: 'ClusterIP', sessionAffinity: 'None' });
  if (Array.isArray(complete.ports))
    complete.ports = complete.ports.map((port: Fields) =>
      withDefault(port, { protocol: 'TCP', targetPort: port.port }),
    );
  if (complete.sessionAffinity === 'ClientIP')
    complete.sessionAffinityConfig = withDefault((complete.sessionAffinityConfig ?? {}) as Fields, {
      clientIP: { timeoutSeconds: 10_800 },
    });
  const { type } = complete;
  if (type === 'ExternalName') return complete;
  const addressed = withDefault(complete, {
    internalTrafficPolicy: 'Cluster',
    ipFamilyPolicy: 'SingleStack',
    ipFamilies: ['IPv4'],
  });
  if (type === 'ClusterIP') return addressed;
  return withDefault(addressed, {
    externalTrafficPolicy: 'Cluster',
    ...(type === 'LoadBalancer' ? { allocateLoadBalancerNodePorts: true } : {}),
  });
}
