// Runs the built-in sample images: each container is a process of its own.

import { fork } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BoundPorts, ContainerRuntime } from '../container-runtime.ts';
import { findImage } from '../images/registry.ts';
import { declaredPorts } from '../node/declared-ports.ts';
import { exitOf, stopGroup } from '../process-group.ts';
import type { FromSample, SampleTask } from './messages.ts';

/** The same file type as this one: source in a checkout, JavaScript in the built package. */
const PROGRAM = fileURLToPath(new URL(`./sample-process${extname(import.meta.url)}`, import.meta.url));

/** A sample keeps next to nothing: small spaces for new objects keep the process small. */
const NODE_FLAGS = ['--max-semi-space-size=1'];

/** Runs the sample images. */
export function sampleRuntime(): ContainerRuntime {
  return {
    name: 'limen',
    canRun: (image) => findImage(image) !== undefined,
    async start({ pod, spec, image, ip, env, args, write }) {
      const { name, namespace = 'default' } = pod.metadata;
      // A process group of its own: Ctrl-C reaches the supervisor alone, which ends pods in order. Its environment is the container's, with
      // what a Node.js process needs to find its compile cache.
      const child = fork(PROGRAM, [], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        execArgv: NODE_FLAGS,
        env: { ...cacheVariables(process.env), ...env },
      });
      child.stdout?.on('data', (chunk: Buffer) => write(chunk, 'stdout'));
      child.stderr?.on('data', (chunk: Buffer) => write(chunk, 'stderr'));
      const exit = exitOf(child);
      const listening = Promise.withResolvers<BoundPorts>();
      listening.promise.catch(() => {}); // whoever asks hears of it
      child.on('message', (message: FromSample) => {
        switch (message.type) {
          case 'listening':
            return listening.resolve(new Map(message.ports));
          case 'failed':
            return listening.reject(new Error(message.message));
        }
      });
      void exit.then(() => listening.reject(new Error('it ended before it listened')));
      const task: SampleTask = {
        image,
        ip,
        ports: declaredPorts(spec),
        podName: name,
        namespace,
        serviceAccount: pod.spec?.serviceAccountName ?? 'default',
        nodeName: pod.spec?.nodeName ?? '',
        env: { ...env },
        args: [...args],
      };
      child.send(task, () => {}); // one that is gone by now says so by its exit
      return { pid: child.pid, exit, listening: listening.promise, stop: (graceMs) => stopGroup(child, exit, graceMs) };
    },
  };
}

/** What Node.js' compile cache goes by. */
function cacheVariables(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    ['NODE_COMPILE_CACHE', 'NODE_DISABLE_COMPILE_CACHE', 'TMPDIR', 'PATH', 'HOME'].flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
