// `limen install`: puts an IstioOperator into the running instance, and waits until what it asks for is up.

import { describeKey, keyOf, type ResourceObject } from '../../resources/object.ts';
import {
  type Manifest,
  manifestOf,
  OWNING_RESOURCE,
  OWNING_RESOURCE_NAMESPACE,
} from '../../workloads/install/manifest.ts';
import { limenHome } from '../instance.ts';
import { ApiClient, ApiRefusal } from '../kubernetes/client.ts';
import { readConfiguration } from './configuration.ts';
import { confirm } from './confirm.ts';
import { getIfThere, pathOfObject } from './objects.ts';
import type { InstallOptions } from './options.ts';
import { type InstallIo, joined, painter, printPorts, printProblems } from './print.ts';
import type { GatewayName } from './readiness.ts';
import { waitVisibly } from './waiting.ts';

/** Who the fields belong to that are installed. */
const FIELD_MANAGER = 'limen';
/** What a component is here that Istio has as a program or chart of its own. */
const MEANING: Readonly<Record<string, string>> = {
  'Istio core': 'the kinds that Limen knows',
  Istiod: 'Limen is the control plane',
};

/**
 * Installs.
 * @returns the exit code: 1 when it was refused, cancelled, or a gateway does not come up
 * @throws Error for the user
 */
export async function install(options: InstallOptions, io: InstallIo): Promise<number> {
  const home = limenHome(io.env, options.home);
  const said = new Set<string>();
  // The server looks at it as well: what it says again is not said twice.
  const stderr = (text: string) => void ([...said].some((message) => text.includes(message)) || io.stderr(text));
  const client = ApiClient.open({ ...io, stderr }, options.home);
  const { operator, problems } = await readConfiguration(options, io.terminal.input);
  printProblems(problems, io);
  for (const { message } of problems) said.add(message);
  if (operator === undefined) {
    io.stderr('error: nothing was installed\n');
    return 1;
  }
  const manifest = manifestOf(operator);
  if (manifest.components.length === 0)
    io.stderr('warning: no component is enabled, so nothing is to be installed: set "enabled: true" on a gateway\n');
  if (options.dryRun) return dryRun(client, operator, manifest, io);
  if (!options.skipConfirmation && !(await confirm(question(operator, manifest, home), io.terminal))) {
    io.stdout('Cancelled.\n');
    return 1;
  }
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: operator.metadata.namespace as string } };
  if ((await getIfThere(client, namespace)) === undefined) await put(client, namespace);
  await put(client, operator);
  const held = await heldByOthers(client, operator, manifest);
  for (const line of held) io.stderr(`error: ${line}\n`);
  const { green, red, dim } = painter(io.colorOut);
  const done = (text: string, note = '') => io.stdout(`${green('✔')} ${text}${note === '' ? '' : dim(` (${note})`)}\n`);
  for (const component of manifest.components)
    if (MEANING[component] !== undefined) done(`${component} installed`, MEANING[component]);
  if (held.length > 0) return 1;

  const gateways = gatewaysOf(manifest);
  const { notReady, proxies } = await waitVisibly(client, gateways, home, options.readinessTimeout, io);
  if (notReady.length > 0) {
    io.stdout(
      `${red('✘')} Ingress gateways encountered an error: not ready after ${options.readinessTimeout / 1000} s\n`,
    );
    for (const { namespace: at, name, reason } of notReady) io.stdout(`  Deployment/${at}/${name}: ${reason}\n`);
    io.stdout(`  "limen logs deploy/${notReady[0]?.name} -n ${notReady[0]?.namespace}" shows what it wrote\n`);
    return 1;
  }
  if (gateways.length > 0) done('Ingress gateways installed');
  done('Installation complete');
  printPorts(gateways, proxies, io);
  return 0;
}

function question({ spec }: ResourceObject, { components }: Manifest, home: string): string {
  const profile = (spec as { profile?: string }).profile;
  const what = components.length === 0 ? '' : ` (with components: ${joined(components)})`;
  return `This will install the profile "${profile}"${what} into the Limen of ${home}. Proceed? (y/N) `;
}

/** Server-side apply with force, as istioctl does it. */
async function put(client: ApiClient, object: ResourceObject, more: Record<string, string> = {}): Promise<void> {
  const query = new URLSearchParams({
    ...{ fieldManager: FIELD_MANAGER, force: 'true', fieldValidation: 'Strict' },
    ...more,
  });
  const content = { type: 'application/apply-patch+yaml', text: JSON.stringify(object) };
  try {
    await client.send('PATCH', `${pathOfObject(object)}?${query}`, content);
  } catch (error) {
    if (error instanceof ApiRefusal) throw new Error(`failed to install: ${error.message}`);
    throw error;
  }
}

async function dryRun(
  client: ApiClient,
  operator: ResourceObject,
  { objects }: Manifest,
  io: InstallIo,
): Promise<number> {
  const { namespace: name } = operator.metadata;
  // In a namespace that is still to be made the server has nothing to say.
  if (await getIfThere(client, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: name as string } }))
    await put(client, operator, { dryRun: 'All' });
  io.stdout('These would be installed (dry run):\n');
  for (const object of [operator, ...objects]) io.stdout(`  ${describeKey(keyOf(object))}\n`);
  return 0;
}

/** What somebody else has put there, and so stays as it is. */
async function heldByOthers(client: ApiClient, { metadata }: ResourceObject, manifest: Manifest): Promise<string[]> {
  const objects = manifest.objects.filter(({ kind }) => kind !== 'Namespace');
  const found = await Promise.all(objects.map((object) => getIfThere(client, object)));
  return found.flatMap((object) => {
    if (object === undefined) return [];
    const { [OWNING_RESOURCE]: name, [OWNING_RESOURCE_NAMESPACE]: namespace } = object.metadata.labels ?? {};
    if (name === metadata.name && namespace === metadata.namespace) return [];
    const whose =
      name === undefined ? 'a file that "limen up" serves has it' : `the IstioOperator ${namespace}/${name} has it`;
    return [`${describeKey(keyOf(object))} stays as it is: ${whose}. When that one is gone, this one counts`];
  });
}

/** The gateways of a manifest. */
export function gatewaysOf({ objects }: Manifest): GatewayName[] {
  return objects
    .filter(({ kind }) => kind === 'Deployment')
    .map(({ metadata: { namespace = '', name } }) => ({ namespace, name }));
}
