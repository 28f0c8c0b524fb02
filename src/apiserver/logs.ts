// `pods/NAME/log`: what a container wrote, once or as it comes. https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-read-log-of-the-specified-pod

import { pipeline } from 'node:stream/promises';
import { type LogOptions, PodAccessError } from '../resources/pod-access.ts';
import type { Pod } from '../resources/types.ts';
import type { ApiCall, ApiContext } from './api-call.ts';
import { isTrue } from './request-info.ts';
import { ApiError, badRequest, notFound, unavailable } from './status.ts';

/** Answers by itself; resolves when all is written, or the client is gone. @throws ApiError */
export async function answerLogs({ info, resource, query, response }: ApiCall, context: ApiContext): Promise<void> {
  const { namespace, name } = info;
  const pod = context.store.snapshot.getOf(resource.kindId, namespace, name) as Pod | undefined;
  if (pod === undefined) throw notFound(resource, name);
  if (context.podAccess === undefined) throw unavailable('the pods of this server have no logs');
  const options = logOptions(query, context.clock());
  const container = containerOf(pod, query.get('container') ?? '');
  const logs = await context.podAccess.logs({ namespace, pod: name, container }, options).catch(refused);
  response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  await pipeline(logs, response).catch(() => undefined); // the client went away
}

/** The container asked for, or the only one there is. @throws ApiError 400 */
function containerOf({ metadata, spec }: Pod, asked: string): string {
  const names = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((container) => container.name);
  if (asked !== '') {
    if (names.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${metadata.name}`);
  }
  const chosen = metadata.annotations?.['kubectl.kubernetes.io/default-container'];
  if (chosen !== undefined && names.includes(chosen)) return chosen;
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw badRequest(`a container name must be specified for pod ${metadata.name}, choose one of: [${names.join(' ')}]`);
}

function logOptions(query: URLSearchParams, now: Date): LogOptions {
  const number = (name: string): number | undefined => {
    const text = query.get(name);
    if (text === null || text === '') return undefined;
    if (!/^\d{1,15}$/.test(text)) throw badRequest(`${name}: ${JSON.stringify(text)} is no number from 0 up`);
    return Number(text);
  };
  const [tailLines, limitBytes, sinceSeconds] = [number('tailLines'), number('limitBytes'), number('sinceSeconds')];
  const sinceTime = query.get('sinceTime');
  const since = sinceTime ? Date.parse(sinceTime) : sinceSeconds && now.getTime() - sinceSeconds * 1000;
  if (Number.isNaN(since)) throw badRequest(`sinceTime: ${JSON.stringify(sinceTime)} is no RFC 3339 time`);
  return {
    follow: isTrue(query.get('follow')),
    previous: isTrue(query.get('previous')),
    timestamps: isTrue(query.get('timestamps')),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
  };
}

function refused(error: unknown): never {
  if (!(error instanceof PodAccessError)) throw error;
  throw new ApiError(error.code, error.reason, error.message);
}
