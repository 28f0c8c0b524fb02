// Runs commands of this machine in place of images: `--image NAME=COMMAND`, and `images` in limen.yaml.

import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { type ContainerRuntime, ImageError } from '../container-runtime.ts';
import { repositoryOf } from '../images/registry.ts';
import { declaredPorts } from '../node/declared-ports.ts';
import { exitOf, stopGroup } from '../process-group.ts';
import type { ImageCommand } from './image-commands.ts';

/**
 * A shell starts the command in its own place, and before that a second one that waits for the end of its input, which the supervisor holds:
 * when the supervisor is gone, however it went, that one ends all of the group. (A process has no other way to learn of it that is left to
 * programs that know nothing of Limen.)
 */
const SCRIPT = '(read _; kill -s KILL -- -$$) <&3 >/dev/null 2>&1 & exec "$@" 3<&-';

/**
 * Runs the commands.
 *
 * @param commands asked anew for each container, so that a changed limen.yaml counts
 * @param env the environment of Limen, which commands get: they are programs of the person who started it
 */
export function commandRuntime(commands: () => readonly ImageCommand[], env: NodeJS.ProcessEnv): ContainerRuntime {
  return {
    name: 'process',
    canRun: (image) => commandFor(image, commands()) !== undefined,
    async start(container) {
      const found = commandFor(container.image, commands());
      if (found === undefined) throw new ImageError(`no command is mapped to ${container.image} any more`);
      const words = typeof found.command === 'string' ? ['/bin/sh', '-c', found.command] : [...found.command];
      const [port] = declaredPorts(container.spec);
      const child = spawn('/bin/sh', ['-c', SCRIPT, 'limen', ...words], {
        cwd: resolve(found.directory),
        detached: true,
        stdio: [container.spec.stdin === true ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
        env: {
          ...env,
          // Where to listen, for programs that ask: the pod's own address lets several replicas have one port.
          HOST: container.ip,
          ...(port === undefined ? {} : { PORT: String(port) }),
          POD_IP: container.ip,
          POD_NAME: container.pod.metadata.name,
          POD_NAMESPACE: container.pod.metadata.namespace ?? '',
          ...found.env,
          ...container.env,
        },
      });
      child.stdout?.on('data', (chunk: Buffer) => container.write(chunk, 'stdout'));
      child.stderr?.on('data', (chunk: Buffer) => container.write(chunk, 'stderr'));
      const lifeline = child.stdio[3];
      lifeline?.on('error', () => {}); // closed by a command that ended
      const exit = exitOf(child);
      await new Promise<void>((started, failed) => {
        child.once('spawn', started);
        child.once('error', (error: NodeJS.ErrnoException) =>
          failed(
            new Error(
              `the command for ${container.image} cannot be started in ${found.directory}: ${error.code ?? error.message}`,
            ),
          ),
        );
      });
      return {
        pid: child.pid,
        exit,
        ...(child.stdin === null ? {} : { stdin: child.stdin }),
        stop: (graceMs) => stopGroup(child, exit, graceMs),
      };
    },
  };
}

/** The command for an image: one for this very reference, else one for its repository whatever registry and tag. The last one given counts. */
export function commandFor(image: string, commands: readonly ImageCommand[]): ImageCommand | undefined {
  if (image === '') return undefined;
  const repository = repositoryOf(image);
  return (
    commands.findLast(({ name }) => name === image) ??
    commands.findLast(({ name }) => name === repository || name === withoutTag(image))
  );
}

function withoutTag(image: string): string {
  return image.replace(/@[^@]*$/, '').replace(/:[^:/]*$/, '');
}
