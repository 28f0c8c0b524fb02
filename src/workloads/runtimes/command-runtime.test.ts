import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployment, TestCluster } from '../test-cluster.ts';
import { commandFor, commandRuntime } from './command-runtime.ts';
import { parseImageFlag, parseImagesFile } from './image-commands.ts';

let cluster: TestCluster;
let directory: string;
beforeEach(async () => {
  cluster = await TestCluster.create();
  directory = mkdtempSync(join(tmpdir(), 'limen-command-'));
  writeFileSync(
    join(directory, 'shop.mjs'),
    `import { createServer } from 'node:http';
     console.log('shop starts');
     createServer((request, response) => response.end(process.env.GREETING + ' from ' + process.env.POD_NAME))
       .listen(process.env.PORT, process.env.HOST);`,
  );
});
afterEach(async () => {
  await cluster.close();
  rmSync(directory, { recursive: true, force: true });
});

const shop = (command = `${process.execPath} shop.mjs`) => [parseImageFlag(`example/shop=${command}`, directory)];
const runShop = (commands = shop()) => cluster.run({ runtimes: [commandRuntime(() => commands, process.env)] });
const pod = () => {
  const [found] = cluster.pods();
  if (found === undefined) throw new Error('no pod');
  return found;
};
const textOf = async (stream: AsyncIterable<Buffer>) => Buffer.concat(await Array.fromAsync(stream)).toString();
const access = () => cluster.run().access;
const here = () => ({ namespace: 'default', pod: pod().metadata.name });
const isRunning = (pid: number) => {
  try {
    process.kill(pid, 0);
    // A process that ended and was not waited for still has a pid.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a command in place of an image', () => {
  it('runs with the container’s environment, and is told where to listen; ready when its port accepts', async () => {
    runShop();
    cluster.store.put(deployment({ image: 'docker.io/example/shop:1.2', env: { GREETING: 'hello' }, replicas: 2 }));
    await cluster.settle();
    for (const { metadata, status } of cluster.pods())
      expect(await (await fetch(`http://${status?.podIP}:8080/`)).text()).toBe(`hello from ${metadata.name}`);
    const logs = await access().logs(here(), { follow: false, previous: false, timestamps: false });
    expect(await textOf(logs)).toBe('shop starts\n');
  });

  it('is restarted when it ends, and says how it ended', async () => {
    runShop(shop('echo oops >&2; exit 3'));
    cluster.store.put(deployment({ image: 'example/shop' }));
    await cluster.settle();
    await cluster.until(() => (pod().status?.containerStatuses?.[0]?.restartCount ?? 0) >= 1);
    await cluster.until(() => pod().status?.containerStatuses?.[0]?.state?.waiting?.reason === 'CrashLoopBackOff');
    expect(pod().status?.containerStatuses?.[0]).toMatchObject({
      ready: false,
      lastState: { terminated: { exitCode: 3, reason: 'Error' } },
    });
  });

  it('has a shell, its processes, and its ports by way of the pod', async () => {
    runShop();
    cluster.store.put(deployment({ image: 'example/shop', env: { GREETING: 'hello' } }));
    await cluster.settle();
    const shell = await access().exec(
      here(),
      ['sh', '-c', 'read line; echo "$line $GREETING"; echo bad >&2; exit 7'],
      false,
    );
    shell.stdin?.end('well,\n');
    expect(await Promise.all([textOf(shell.stdout), textOf(shell.stderr as never), shell.exit])).toEqual([
      'well, hello\n',
      'bad\n',
      7,
    ]);
    const ps = await access().exec(here(), ['ps', '-eo', 'pid,args'], false);
    const lines = (await textOf(ps.stdout)).trim().split('\n');
    expect(lines[0]).toMatch(/PID +COMMAND/);
    expect(lines.some((line) => line.includes('shop.mjs'))).toBe(true);
    expect(lines.some((line) => line.includes('vitest'))).toBe(false);
    const socket = await access().connect(here(), 8080);
    socket.end('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
    expect(await textOf(socket)).toContain('hello from');
    await expect(access().exec(here(), ['no-such-program'], false)).rejects.toThrow('executable file not found');
    await expect(access().connect(here(), 1)).rejects.toThrow('ECONNREFUSED');
    await expect(access().exec({ ...here(), container: 'other' }, ['ls'], false)).rejects.toThrow(
      `container other is not valid for pod ${here().pod}`,
    );
    await expect(
      access().logs({ namespace: 'default', pod: 'none' }, { follow: false, previous: false, timestamps: false }),
    ).rejects.toThrow('pods "none" not found');
  });

  it('takes all it started along when it ends', async () => {
    runShop(shop(`sleep 600 & echo child $!; wait`));
    cluster.store.put(deployment({ image: 'example/shop', port: 0 }));
    await cluster.settle();
    const logs = await access().logs(here(), { follow: true, previous: false, timestamps: false });
    const [chunk] = (await once(logs, 'data')) as [Buffer];
    const pid = Number(/child (\d+)/.exec(chunk.toString())?.[1]);
    expect(isRunning(pid)).toBe(true);
    await cluster.close();
    expect(isRunning(pid)).toBe(false);
  });

  it('ends when its supervisor is killed', async () => {
    const program = join(directory, 'supervisor.mjs');
    writeFileSync(
      program,
      `import { commandRuntime } from ${JSON.stringify(join(import.meta.dirname, 'command-runtime.ts'))};
       const commands = [{ name: 'example/shop', command: 'echo $$; sleep 600', directory: '.' }];
       await commandRuntime(() => commands, process.env).start({
         pod: { metadata: { name: 'p' } }, spec: { name: 'c' }, image: 'example/shop', ip: '127.0.0.1', env: {},
         write: (chunk) => process.stdout.write(chunk) });`,
    );
    const supervisor = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [chunk] = (await once(supervisor.stdout, 'data')) as [Buffer];
    const pid = Number(chunk.toString());
    expect(isRunning(pid)).toBe(true);
    supervisor.kill('SIGKILL');
    await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false);
  });
});

describe('which command an image gets', () => {
  const names = (...all: string[]) => all.map((name) => ({ name, command: 'true', directory: '.' }));

  it.each([
    ['example/shop', 'example/shop'],
    ['docker.io/example/shop:1.2', 'example/shop'],
    ['registry.test:5000/example/shop:1.2', 'registry.test:5000/example/shop'],
    ['example/shop:1.2', 'example/shop:1.2'],
  ])('%s that of %s', (image, name) => {
    expect(commandFor(image, names('other', name))?.name).toBe(name);
  });

  it('the exact one before the one for any tag, and the last given of two', () => {
    expect(commandFor('a:1', names('a:1', 'a'))?.name).toBe('a:1');
    expect(commandFor('a', [...names('a'), { name: 'a', command: 'last', directory: '.' }])?.command).toBe('last');
    expect(commandFor('b', names('a'))).toBeUndefined();
    expect(commandFor('', names(''))).toBeUndefined();
  });
});

describe('limen.yaml', () => {
  it('maps images to commands, with directory and environment', () => {
    const text = 'images:\n  a/b: node x.js\n  c: { command: [npm, start], directory: ../c, env: { N: 1 } }\n';
    expect(parseImagesFile(text, 'limen.yaml', '/work')).toEqual([
      { name: 'a/b', command: 'node x.js', directory: '/work' },
      { name: 'c', command: ['npm', 'start'], directory: '/work/../c', env: { N: '1' } },
    ]);
    expect(parseImagesFile('', 'limen.yaml', '/')).toEqual([]);
  });

  it.each([
    ['image: {}', 'limen.yaml:1:1: unknown field "image"; limen.yaml has "images"'],
    ['- a', 'limen.yaml:1:1: expected a mapping with "images"'],
    ['images: [a]', 'limen.yaml:1:1: images: expected a mapping of image names to commands'],
    ['images:\n  a: 1', 'limen.yaml:2:3: images.a: expected a command, or { command, directory, env }'],
    ['images:\n  a: { comand: x }', 'unknown field "comand"'],
    ['images:\n  a: { command: [] }', 'images.a.command: expected a line for the shell or a list of words'],
    ['images:\n  a: [', 'limen.yaml:2:'],
  ])('%j is refused: %s', (text, message) => {
    expect(() => parseImagesFile(text, 'limen.yaml', '/')).toThrow(message);
  });

  it.each(['shop', '=x', 'shop='])('and --image %s is none', (flag) => {
    expect(() => parseImageFlag(flag, '/')).toThrow('expected NAME=COMMAND');
  });
});
