// Where the kubeconfig of an instance is.

import { join } from 'node:path';

/** The path of a home's kubeconfig. */
export function kubeconfigFile(home: string): string {
  return join(home, 'kubeconfig');
}
