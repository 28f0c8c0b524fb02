// `limen delete`: objects by name, or those of manifests.

import { formatProblem } from '../../resources/problem.ts';
import { refusalOf } from './apply.ts';
import { ApiClient, ApiRefusal, type Io } from './client.ts';
import { ManifestTargets } from './manifest-targets.ts';
import { readManifests } from './manifests.ts';
import { DEFAULT_NAMESPACE, type DeleteOptions } from './options.ts';
import { kindName, pathOf, type Resource, Resources } from './resources.ts';
import { targetsOf } from './targets.ts';

/** What an object owns goes after it, as in kubectl. */
const BACKGROUND = {
  type: 'application/json',
  text: '{"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"}',
};

/**
 * Deletes objects; one that is refused does not keep the others.
 * @returns the exit code
 * @throws Error for the user
 */
export async function deleteObjects(
  words: readonly string[],
  options: DeleteOptions,
  io: Io & { color: boolean; standardInput: NodeJS.ReadableStream },
): Promise<number> {
  const { filename: files } = options;
  if ((files === undefined) === (words.length === 0))
    throw new Error('say what to delete: either TYPE NAME (TYPE/NAME …), or -f FILE');
  const client = ApiClient.open(io, options.home);
  let refused = 0;
  const remove = async (resource: Resource, name: string, path: string) => {
    try {
      await client.send('DELETE', path, BACKGROUND);
    } catch (error) {
      if (options.ignoreNotFound && error instanceof ApiRefusal && error.status.code === 404) return;
      throw error;
    }
    io.stdout(`${kindName(resource)} "${name}" deleted\n`);
  };
  if (files === undefined) {
    for (const { resource, name } of targetsOf(words, await Resources.of(client))) {
      if (name === undefined) throw new Error('a name is required: this command never deletes all of a type');
      try {
        await remove(resource, name, pathOf(resource, options.namespace ?? DEFAULT_NAMESPACE, name));
      } catch (error) {
        if (!(error instanceof ApiRefusal)) throw error;
        io.stderr(`error: ${error.message}\n`);
        refused++;
      }
    }
    return refused === 0 ? 0 : 1;
  }
  const { manifests, problems } = await readManifests(files, io.standardInput);
  const targets = new ManifestTargets(client, options.namespace);
  for (const manifest of manifests) {
    try {
      const { resource, name, path } = await targets.find(manifest);
      await remove(resource, name, path);
    } catch (error) {
      problems.push(...refusalOf(error, manifest));
    }
  }
  for (const problem of problems) io.stderr(`${formatProblem(problem, { color: io.color })}\n`);
  return problems.length === 0 ? 0 : 1;
}
