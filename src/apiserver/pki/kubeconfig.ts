// The kubeconfig that kubectl and client libraries take to reach this API server.

import { stringify } from 'yaml';
import type { Pki } from './pki.ts';

/**
 * A kubeconfig as YAML: one cluster, one user (by client certificate), one context, all named `limen`.
 *
 * @param server `https://127.0.0.1:6443`
 */
export function kubeconfig(server: string, { ca, client }: Pki): string {
  const base64 = (text: string) => Buffer.from(text, 'utf8').toString('base64');
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'limen',
      clusters: [{ name: 'limen', cluster: { server, 'certificate-authority-data': base64(ca) } }],
      users: [
        {
          name: 'limen',
          user: {
            'client-certificate-data': base64(client.certificate),
            'client-key-data': base64(client.key),
          },
        },
      ],
      contexts: [{ name: 'limen', context: { cluster: 'limen', user: 'limen' } }],
    },
    { lineWidth: 0 },
  );
}
