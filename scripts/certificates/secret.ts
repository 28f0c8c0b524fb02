// A credential as the Kubernetes Secret that a Gateway's credentialName names.

import { stringify } from 'yaml';
import type { Credential } from '../../src/apiserver/pki/issue.ts';

/** Where the gateway workload runs, and so where it looks for its Secrets. */
const GATEWAY_NAMESPACE = 'istio-system';

/**
 * The Secret as YAML. With `clientCa` (PEM) it is a generic one with `ca.crt`, for mode MUTUAL; without, one of type kubernetes.io/tls.
 * https://istio.io/latest/docs/tasks/traffic-management/ingress/secure-ingress/#key-formats
 */
export function secretYaml(name: string, { certificate, key }: Credential, clientCa?: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: GATEWAY_NAMESPACE },
    type: clientCa === undefined ? 'kubernetes.io/tls' : 'Opaque',
    data: {
      'tls.crt': base64(certificate),
      'tls.key': base64(key),
      ...(clientCa === undefined ? {} : { 'ca.crt': base64(clientCa) }),
    },
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
