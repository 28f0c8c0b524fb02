// Objects of the running instance by what they are, for install and uninstall.

import { groupOf, type ResourceObject } from '../../resources/object.ts';
import { type ApiClient, ApiRefusal } from '../kubernetes/client.ts';

/** What names an object. */
export type Named = Pick<ResourceObject, 'apiVersion' | 'kind' | 'metadata'>;

/** The kinds there are in manifests. */
const PLURALS: Readonly<Record<string, string>> = {
  ...{ ConfigMap: 'configmaps', Deployment: 'deployments', IstioOperator: 'istiooperators', Namespace: 'namespaces' },
  ...{ Service: 'services', ServiceAccount: 'serviceaccounts' },
};

/** Where an object is in the API. */
export function pathOfObject({ apiVersion, kind, metadata: { namespace, name } }: Named): string {
  const root = `${groupOf(apiVersion) === '' ? '/api' : '/apis'}/${apiVersion}`;
  const within = namespace === undefined ? '' : `/namespaces/${encodeURIComponent(namespace)}`;
  return `${root}${within}/${PLURALS[kind] ?? `${kind.toLowerCase()}s`}/${encodeURIComponent(name)}`;
}

/** The object as the server has it; undefined where it has none. */
export async function getIfThere<Kind extends ResourceObject>(
  client: ApiClient,
  object: Named,
): Promise<Kind | undefined> {
  try {
    return (await client.get(pathOfObject(object))) as Kind;
  } catch (error) {
    if (error instanceof ApiRefusal && error.status.code === 404) return undefined;
    throw error;
  }
}
