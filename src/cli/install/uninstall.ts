// `limen uninstall`: takes away what IstioOperators installed. The default gateway of `limen up` stays, or comes back, as it is without one.

import { FILE_MANAGER } from '../../resources/managed-fields/file-objects.ts';
import { describeKey, keyOf, type ResourceObject } from '../../resources/object.ts';
import { type Manifest, manifestOf } from '../../workloads/install/manifest.ts';
import { limenHome } from '../instance.ts';
import { ApiClient } from '../kubernetes/client.ts';
import { readConfiguration } from './configuration.ts';
import { confirm } from './confirm.ts';
import { gatewaysOf } from './install.ts';
import { getIfThere, type Named, pathOfObject } from './objects.ts';
import type { UninstallOptions } from './options.ts';
import { type InstallIo, painter, printPorts, printProblems } from './print.ts';
import { waitVisibly } from './waiting.ts';

const OPERATORS = '/apis/install.istio.io/v1alpha1/istiooperators';
const BACKGROUND = { type: 'application/json', text: '{"propagationPolicy":"Background"}' };

/**
 * Uninstalls.
 * @returns the exit code
 * @throws Error for the user
 */
export async function uninstall(options: UninstallOptions, io: InstallIo): Promise<number> {
  const { filename = [], purge = false } = options;
  if (filename.length === 0 && !purge) throw new Error('at least one of the --filename or --purge flags must be set');
  const home = limenHome(io.env, options.home);
  const client = ApiClient.open(io, options.home);
  if (filename.length > 0 && purge) io.stderr('warning: --purge takes all that was installed, whatever -f names\n');
  const found = purge ? await allOperators(client) : await operatorOfFiles(client, options, io);
  if (found === undefined) return 1;
  const inFiles = found.filter(isOfFile);
  for (const operator of inFiles)
    io.stderr(`warning: ${describeKey(keyOf(operator))} is in a file that "limen up" serves: take it out there\n`);
  const operators = found.filter((operator) => !isOfFile(operator));
  if (operators.length === 0) {
    io.stdout('No resources will be pruned. "limen get istiooperators -A" lists what is installed.\n');
    return inFiles.length === 0 ? 0 : 1;
  }
  const manifests = operators.map((operator) => manifestOf(operator));
  io.stdout(announcement(operators, manifests, purge));
  if (options.dryRun) return 0;
  if (!options.skipConfirmation && !(await confirm('Proceed? (y/N) ', io.terminal))) {
    io.stdout('Cancelled.\n');
    return 1;
  }
  for (const operator of operators) await client.send('DELETE', pathOfObject(operator), BACKGROUND);
  const objects = [...operators, ...manifests.flatMap((manifest) => manifest.objects)].filter(
    ({ kind }) => kind !== 'Namespace',
  );
  const left: Named[] = [];
  for (const object of objects) {
    const isThere = (await getIfThere(client, object)) !== undefined;
    if (isThere) left.push(object);
    io.stdout(`  ${isThere ? 'Left, as it is without an IstioOperator:' : 'Removed'} ${inWords(object)}\n`);
  }
  const { green } = painter(io.colorOut);
  const gateways = gatewaysOf({ ...(manifests[0] as Manifest), objects: left });
  const { notReady, proxies } = await waitVisibly(client, gateways, home, options.readinessTimeout, io);
  for (const { namespace, name, reason } of notReady)
    io.stderr(`warning: Deployment/${namespace}/${name} is not ready: ${reason}\n`);
  io.stdout(`${green('✔')} Uninstall complete\n`);
  printPorts(gateways, proxies, io);
  return 0;
}

async function allOperators(client: ApiClient): Promise<ResourceObject[]> {
  const { items } = (await client.get(OPERATORS)) as { items: ResourceObject[] };
  // A list's items leave out what the list says for all of them.
  return items.map((item) => ({ ...item, apiVersion: 'install.istio.io/v1alpha1', kind: 'IstioOperator' }));
}

/** The operator that `limen install` made of these files, or the one that was applied as it is; undefined when they cannot be read. */
async function operatorOfFiles(
  client: ApiClient,
  options: UninstallOptions,
  io: InstallIo,
): Promise<ResourceObject[] | undefined> {
  const { operator, problems } = await readConfiguration(options, io.terminal.input);
  printProblems(
    problems.filter(({ severity }) => severity === 'error'),
    io,
  );
  if (operator === undefined) return undefined;
  const applied = operator.metadata.name.replace(/^installed-state-/, '');
  for (const name of [operator.metadata.name, applied]) {
    const found = await getIfThere(client, { ...operator, metadata: { ...operator.metadata, name } });
    if (found !== undefined) return [found];
  }
  return [];
}

function isOfFile({ metadata }: ResourceObject): boolean {
  return metadata.managedFields?.some(({ manager }) => manager === FILE_MANAGER) === true;
}

function announcement(operators: readonly ResourceObject[], manifests: readonly Manifest[], purge: boolean): string {
  const what = operators.map((operator) => describeKey(keyOf(operator))).join(', ');
  const gateways = manifests.flatMap(gatewaysOf).map(({ namespace, name }) => `${name}.${namespace}`);
  const own = gateways.filter((gateway) => gateway !== 'istio-ingressgateway.istio-system');
  const all = purge ? 'All that was installed will be pruned' : 'To be pruned';
  return `${all}: ${what}\n${own.length === 0 ? '' : `You are about to remove the following gateways: ${own.join(', ')}\n`}`;
}

/** As istioctl has it: `apps/v1, Kind=Deployment/istio-ingressgateway.istio-system.` */
function inWords({ apiVersion, kind, metadata: { name, namespace } }: Named): string {
  return `${apiVersion.includes('/') ? '' : '/'}${apiVersion}, Kind=${kind}/${name}.${namespace ?? ''}.`;
}
