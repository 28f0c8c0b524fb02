// The program of one sample container: a process of its own that serves one image on its pod's address, and ends with its supervisor.

import { enableCompileCache } from 'node:module';
import { basename } from 'node:path';
import { nameProcess } from '../process-name.ts';
import type { ListeningServer } from './listen.ts';
import type { FromSample, SampleTask } from './messages.ts';

enableCompileCache();
const given = new Promise<SampleTask>((resolve) => {
  process.once('message', (task) => resolve(task as SampleTask));
});
process.once('disconnect', () => process.exit(0)); // the supervisor is gone, and its pods with it
const ending = new Promise<void>((resolve) => {
  process.once('SIGTERM', () => resolve());
  process.once('SIGINT', () => resolve());
});

const [{ findImage, repositoryOf }, { listen }] = await Promise.all([
  import('../images/registry.ts'),
  import('./listen.ts'),
]);
const task = await given;
const repository = repositoryOf(task.image);
nameProcess(basename(repository), repository);
const image = findImage(task.image);
if (image === undefined) fail(`${task.image} is no sample image`);
const ports = task.ports.length > 0 ? task.ports : [image.defaultPort(task.env)];
const serving: ListeningServer[] = [];
for (const port of ports) {
  const server = image.createServer({
    repository,
    ip: task.ip,
    port,
    podName: task.podName,
    namespace: task.namespace,
    serviceAccount: task.serviceAccount,
    nodeName: task.nodeName,
    env: task.env,
    args: task.args,
    log: (line) => console.error(line),
  });
  try {
    serving.push(
      await listen(server, task.ip, port).catch((error: NodeJS.ErrnoException) => {
        // Another process holds the number, or ordinary users may not: any free one does, and the Pod tells which.
        if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
        return listen(server, task.ip, 0);
      }),
    );
  } catch (error) {
    fail(`${task.ip}:${port} can't be bound (${(error as NodeJS.ErrnoException).code ?? String(error)})`);
  }
}
console.log(`${repository} listens on ${serving.map(({ port }) => `${task.ip}:${port}`).join(', ')}`);
tell({ type: 'listening', ports: ports.map((port, index) => [port, serving[index]?.port ?? port]) });

await ending;
await Promise.all(serving.map((server) => server.close(new AbortController().signal)));
process.exit(0);

function tell(message: FromSample): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a supervisor that is gone: 'disconnect' says so
}

function fail(message: string): never {
  console.error(message);
  tell({ type: 'failed', message });
  process.exit(1);
}
