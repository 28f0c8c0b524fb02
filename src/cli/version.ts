// `limen version`: this program's version, and those of the control plane and the proxies that run.

import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { type Instance, type InstanceProxy, limenHome, NotRunningError, readInstance } from './instance.ts';

/** Limen's version: that of its package. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version;

/** What the command touches of the world outside. */
export interface VersionIo {
  stdout: (text: string) => void;
  env: Readonly<Record<string, string | undefined>>;
  fetch: typeof globalThis.fetch;
}

/** The answer as `-o json` has it; the names are those of `istioctl version -o json`. */
interface Versions {
  clientVersion: { version: string; nodeVersion: string; platform: string };
  /** The control plane, where one runs. */
  meshVersion?: { Component: string; Info: { version: string } }[];
  /** The proxies of it. */
  dataPlaneVersion?: { ID: string; IstioVersion: string }[];
}

/** A proxy that doesn't answer within this time, on the same machine, hangs. */
const ADMIN_TIMEOUT_MS = 2_000;

/** Adds `version` to the command line. */
export function registerVersion(program: Command, io: VersionIo): void {
  const output = new Option('-o, --output <format>', 'how it is printed').choices(['short', 'json', 'yaml']);
  program
    .command('version')
    .description('print the version, and what runs')
    .addOption(output.default('short'))
    .option('-s, --short', 'one line a component (the default)')
    .option('--home <dir>', 'the home of the instance to ask (default: $LIMEN_HOME or ~/.limen)')
    .addHelpText('after', '\nExamples:\n  limen version\n  limen version -o json')
    .action(async (options: { output: string; home?: string }) => {
      const versions = await readVersions(limenHome(io.env, options.home), io);
      if (options.output === 'yaml') {
        const { stringify } = await import('yaml');
        io.stdout(stringify(versions, { indentSeq: false }));
      } else
        io.stdout(options.output === 'json' ? `${JSON.stringify(versions, undefined, 2)}\n` : formatShort(versions));
    });
}

async function readVersions(home: string, io: VersionIo): Promise<Versions> {
  const clientVersion = {
    version: VERSION,
    nodeVersion: process.versions.node,
    platform: `${process.platform}/${process.arch}`,
  };
  let instance: Instance;
  try {
    instance = readInstance(home);
  } catch (error) {
    if (error instanceof NotRunningError) return { clientVersion };
    throw error;
  }
  const proxies = instance.proxies.map(async (proxy) => ({
    ID: `${proxy.pod}.${proxy.namespace}`,
    IstioVersion: await proxyVersion(proxy, io),
  }));
  return {
    clientVersion,
    meshVersion: [{ Component: 'pilot', Info: { version: instance.version } }],
    dataPlaneVersion: await Promise.all(proxies),
  };
}

/** What a proxy's `/server_info` says: Limen's is `0.1.0`, Envoy's `9e5580…/1.40.0/Clean/RELEASE/BoringSSL`. */
async function proxyVersion({ admin }: InstanceProxy, io: VersionIo): Promise<string> {
  try {
    const response = await io.fetch(`http://${admin}/server_info`, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS) });
    const { version } = (await response.json()) as { version?: unknown };
    if (typeof version !== 'string') return 'unknown';
    return version.split('/').find((part) => /^\d+\.\d+/.test(part)) ?? version;
  } catch {
    return 'unreachable'; // a proxy that is being restarted: the other lines are still worth having
  }
}

function formatShort({ clientVersion, meshVersion, dataPlaneVersion }: Versions): string {
  const lines = [`client version: ${clientVersion.version}`];
  for (const { Info } of meshVersion ?? []) lines.push(`control plane version: ${Info.version}`);
  const counts = new Map<string, number>();
  for (const { IstioVersion: version } of dataPlaneVersion ?? []) counts.set(version, (counts.get(version) ?? 0) + 1);
  const dataPlane = [...counts].map(([version, count]) => `${version} (${count} proxies)`);
  if (dataPlane.length > 0) lines.push(`data plane version: ${dataPlane.join(', ')}`);
  return `${lines.join('\n')}\n`;
}
