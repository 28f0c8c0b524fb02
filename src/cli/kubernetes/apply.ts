// `limen apply -f`: server-side apply of manifests, as field manager `limen`.
// https://kubernetes.io/docs/reference/using-api/server-side-apply/

import type { Problem } from '../../resources/problem.ts';
import { formatProblem } from '../../resources/problem.ts';
import { ApiClient, ApiRefusal, type Io } from './client.ts';
import { ManifestTargets } from './manifest-targets.ts';
import { type Manifest, readManifests } from './manifests.ts';
import type { ApplyOptions } from './options.ts';
import { problemsOf } from './refusals.ts';
import { kindName } from './resources.ts';

/** Who the fields belong to that a manifest sets. */
const FIELD_MANAGER = 'limen';

/**
 * Applies manifests in the order they stand in; one that is refused does not keep the others from being applied.
 * @returns the exit code: 1 when anything was refused
 * @throws Error for the user when nothing can be asked at all
 */
export async function apply(
  options: ApplyOptions,
  io: Io & { color: boolean; standardInput: NodeJS.ReadableStream },
): Promise<number> {
  const client = ApiClient.open(io, options.home);
  const { manifests, problems } = await readManifests(options.filename, io.standardInput);
  const targets = new ManifestTargets(client, options.namespace);
  const query = new URLSearchParams({
    fieldManager: FIELD_MANAGER,
    fieldValidation: 'Strict',
    ...(options.forceConflicts ? { force: 'true' } : {}),
    ...(options.dryRun ? { dryRun: 'All' } : {}),
  });
  const report = (found: readonly Problem[]) => {
    for (const problem of found) io.stderr(`${formatProblem(problem, { color: io.color })}\n`);
  };
  report(problems);
  let refused = problems.length;
  for (const manifest of manifests) {
    try {
      const { resource, name, path } = await targets.find(manifest);
      const content = { type: 'application/apply-patch+yaml', text: JSON.stringify(manifest.object) };
      const before = await versionOf(client, path);
      const { status, body } = await client.send('PATCH', `${path}?${query}`, content);
      const done = status === 201 ? 'created' : body.metadata.resourceVersion === before ? 'unchanged' : 'configured';
      io.stdout(`${kindName(resource)}/${name} ${done}${options.dryRun ? ' (server dry run)' : ''}\n`);
    } catch (error) {
      report(refusalOf(error, manifest));
      refused++;
    }
  }
  if (manifests.length === 0 && problems.length === 0) throw new Error('no objects to apply in what -f names');
  return refused === 0 ? 0 : 1;
}

/** What went wrong with one manifest, as problems of its place. */
export function refusalOf(error: unknown, manifest: Manifest): Problem[] {
  return error instanceof ApiRefusal
    ? problemsOf(error.status, manifest)
    : [manifest.problem((error as Error).message)];
}

/** The version of an object; undefined where there is none. */
async function versionOf(client: ApiClient, path: string): Promise<string | undefined> {
  try {
    return (await client.get(path)).metadata.resourceVersion;
  } catch (error) {
    if (error instanceof ApiRefusal && error.status.code === 404) return undefined;
    throw error;
  }
}
