// `limen logs`: what a container wrote.

import type { Pod } from '../../resources/types.ts';
import { ApiClient, type Io } from './client.ts';
import { DEFAULT_NAMESPACE, type LogsOptions } from './options.ts';
import { pathOf, Resources } from './resources.ts';

/**
 * Prints a pod's log, of a workload (`deploy/webapp`) that of its first pod.
 * @throws Error for the user
 */
export async function logs(word: string, options: LogsOptions, io: Io): Promise<void> {
  const client = ApiClient.open(io, options.home);
  const namespace = options.namespace ?? DEFAULT_NAMESPACE;
  const pod = await podOf(word, namespace, client, io);
  const query = new URLSearchParams({
    ...(options.container === undefined ? {} : { container: options.container }),
    ...(options.follow ? { follow: 'true' } : {}),
    ...(options.previous ? { previous: 'true' } : {}),
    ...(options.timestamps ? { timestamps: 'true' } : {}),
    ...(options.tail === undefined ? {} : { tailLines: String(options.tail) }),
  });
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${encodeURIComponent(pod)}/log?${query}`;
  const response = await client.open('GET', path, undefined, '*/*');
  for await (const text of response.setEncoding('utf8')) io.stdout(text);
}

/** `NAME` and `pod/NAME` are pods; of anything else that selects pods, the first by name. */
async function podOf(word: string, namespace: string, client: ApiClient, io: Io): Promise<string> {
  const [kind = '', name, ...more] = word.split('/');
  if (name === undefined) return word;
  if (name === '' || more.length > 0) throw new Error(`"${word}": expected a pod's name, or TYPE/NAME`);
  const [resource] = (await Resources.of(client)).named(kind);
  if (resource === undefined || (resource.group === '' && resource.kind === 'Pod')) return name;
  const { spec } = await client.get(pathOf(resource, namespace, name));
  const selector: Record<string, string> | undefined = spec?.selector?.matchLabels ?? spec?.selector;
  if (selector === undefined) throw new Error(`${word} has no pods of its own: name a pod, or a deployment`);
  const labels = Object.entries(selector).map(([label, value]) => `${label}=${value}`);
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods?labelSelector=${encodeURIComponent(labels.join(','))}`;
  const { items } = (await client.get(path)) as { items: Pod[] };
  const [first] = items;
  if (first === undefined) throw new Error(`${word} has no pods`);
  if (items.length > 1) io.stderr(`Found ${items.length} pods, using pod/${first.metadata.name}\n`);
  return first.metadata.name;
}
