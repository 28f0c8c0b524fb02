// Runs images with Docker, where an engine answers: each container is a `docker run` that ends with Limen.

import { spawn } from 'node:child_process';
import type { RunningCommand } from '../../resources/pod-access.ts';
import { type ContainerRuntime, ImageError } from '../container-runtime.ts';
import { declaredPorts } from '../node/declared-ports.ts';
import { exitOf, signalGroup } from '../process-group.ts';

/** As in command-runtime: a shell that is left takes the container away when the supervisor is gone, for Docker would keep it. */
const SCRIPT = '(read _; "$DOCKER" rm -f "$NAME"; kill -s KILL -- -$$) <&3 >/dev/null 2>&1 & exec "$DOCKER" "$@" 3<&-';
/** How long an engine has to answer whether it is there. */
const ANSWER_MS = 5_000;
/** An engine that was not there is asked again after this. */
const ASK_AGAIN_MS = 30_000;
/** What `docker run` exits with when the daemon itself failed. https://docs.docker.com/engine/containers/run/#exit-status */
const DAEMON_FAILED = 125;

/**
 * Runs any image.
 *
 * @param docker the program
 * @param env its environment (DOCKER_HOST, HOME, …)
 */
export function dockerRuntime(
  docker: string,
  env: NodeJS.ProcessEnv,
  clock: () => number = Date.now,
): ContainerRuntime {
  let asked: { at: number; answers: Promise<boolean> } | undefined;

  return {
    name: 'docker',
    isolated: true,
    canRun(image) {
      if (image === '') return false;
      if (asked === undefined || clock() - asked.at > ASK_AGAIN_MS) {
        const answers = call(['version', '--format', '{{.Server.Version}}'], ANSWER_MS).then(({ code }) => code === 0);
        asked = { at: clock(), answers };
      }
      return asked.answers;
    },
    async start({ pod, spec, image, ip, env: variables, command, args, write }) {
      if (spec.imagePullPolicy === 'Always' || (await call(['image', 'inspect', image])).code !== 0) {
        if (spec.imagePullPolicy === 'Never')
          throw new ImageError(`image "${image}" is not present with pull policy of Never`);
        const pull = await call(['pull', '--quiet', image]);
        if (pull.code !== 0) throw new ImageError(lastLine(pull.output) || `docker pull ended with ${pull.code}`);
      }
      const name = `limen-${pod.metadata.uid?.slice(0, 13)}-${spec.name}`;
      await call(['rm', '-f', name]); // of a run before
      const [entrypoint, ...rest] = command;
      const child = spawn(
        '/bin/sh',
        [
          '-c',
          SCRIPT,
          'limen',
          ...['run', '--rm', '--name', name, '--label', `dev.limen.pod=${pod.metadata.namespace}/${pod.metadata.name}`],
          ...declaredPorts(spec).flatMap((port) => ['--publish', `${ip}:${port}:${port}`]),
          // Names only: values on a command line are for every user of the machine to read.
          ...Object.keys(variables).flatMap((variable) => ['--env', variable]),
          ...(spec.workingDir === undefined ? [] : ['--workdir', spec.workingDir]),
          ...(spec.stdin === true ? ['--interactive'] : []),
          ...(entrypoint === undefined ? [] : ['--entrypoint', entrypoint]),
          image,
          ...rest,
          ...args,
        ],
        {
          detached: true,
          stdio: [spec.stdin === true ? 'pipe' : 'ignore', 'pipe', 'pipe', 'pipe'],
          env: { ...variables, ...env, ...own(variables, env), DOCKER: docker, NAME: name },
        },
      );
      let problem = '';
      child.stdout?.on('data', (chunk: Buffer) => write(chunk, 'stdout'));
      child.stderr?.on('data', (chunk: Buffer) => {
        problem = (problem + chunk.toString()).slice(-1000);
        write(chunk, 'stderr');
      });
      child.stdio[3]?.on('error', () => {}); // closed by a command that ended
      const exit = exitOf(child).then((code) => {
        if (code === DAEMON_FAILED) write(`docker run failed: ${lastLine(problem)}\n`, 'stderr');
        return code;
      });
      return {
        pid: undefined, // its processes are the engine's, not this machine's
        exit,
        ...(child.stdin === null ? {} : { stdin: child.stdin }),
        async stop(graceMs) {
          await call(graceMs === 0 ? ['kill', name] : ['stop', '--time', String(Math.ceil(graceMs / 1000)), name]);
          await call(['rm', '-f', name]);
          if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
          await exit;
        },
        async exec(words, terminal): Promise<RunningCommand> {
          const flags = terminal ? ['--interactive', '--tty'] : ['--interactive'];
          // A terminal of ours, for the docker command asks for one.
          const line = [docker, 'exec', ...flags, name, ...words];
          const [file, ...rest] = terminal
            ? ['script', '-qefc', line.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' '), '/dev/null']
            : line;
          const running = spawn(file as string, rest, { detached: true, stdio: 'pipe', env });
          await new Promise((started, failed) => {
            running.once('spawn', started as () => void);
            running.once('error', failed);
          });
          running.stdin.on('error', () => {});
          return {
            stdin: running.stdin,
            stdout: running.stdout,
            ...(terminal ? {} : { stderr: running.stderr }),
            exit: exitOf(running),
            kill: () => signalGroup(running.pid as number, 'SIGKILL'),
          };
        },
      };
    },
  };

  /** Runs docker to its end. Does not reject. */
  function call(words: readonly string[], timeoutMs?: number): Promise<{ code: number; output: string }> {
    return new Promise((resolve) => {
      const child = spawn(docker, words, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env,
        ...(timeoutMs && { timeout: timeoutMs }),
      });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          output = (output + chunk.toString()).slice(-4000);
        });
      child.once('error', (error) => resolve({ code: 127, output: error.message }));
      child.once('close', (code) => resolve({ code: code ?? 137, output }));
    });
  }
}

/** The variables of the container again: those of Limen's environment must not take their place. */
function own(variables: Readonly<Record<string, string>>, env: NodeJS.ProcessEnv): Record<string, string> {
  const dockers = /^(DOCKER_|HOME$|PATH$|XDG_)/;
  return Object.fromEntries(
    Object.entries(variables).filter(([name]) => !(dockers.test(name) && env[name] !== undefined)),
  );
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? '';
}
