import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Pod } from '../../../resources/types.ts';
import type { ProxyFlags } from '../../proxy.ts';
import type { ToSidecars } from './messages.ts';
import { prepareSidecars, type Sidecars } from './sidecars.ts';

/** A process that does what it is told, and writes down what that was. */
const OBEDIENT = `
import { appendFileSync } from 'node:fs';
process.once('disconnect', () => process.exit(0));
process.on('message', (message) => {
  appendFileSync(new URL('told', import.meta.url), JSON.stringify(message) + '\\n');
  const { type, id } = message;
  process.send(type === 'start' ? { type: 'ready', id, admin: '127.0.0.1:1' } : { type: 'stopped', id });
});`;

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const each of cleanUp.splice(0).reverse()) await each();
});

async function setUp(freePort: (ip: string, wanted: number) => Promise<number>) {
  const directory = await mkdtemp(join(tmpdir(), 'limen-sidecars-'));
  cleanUp.push(() => rm(directory, { recursive: true }));
  const program = join(directory, 'obedient.mjs');
  await writeFile(program, OBEDIENT);
  const sidecars = prepareSidecars({
    program,
    complete: (flags) => ({ ...flags, xds: '127.0.0.1:1' }) as ProxyFlags,
    freePort,
    log: pino({ level: 'silent' }),
    onChange: () => {},
  });
  cleanUp.push(() => sidecars.close());
  const told = async () => {
    const lines = (await readFile(join(directory, 'told'), 'utf8')).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as ToSidecars).map(({ type, id }) => `${type} ${id}`);
  };
  return { sidecars, told };
}

const pod = (name: string) => ({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } }) as Pod;

async function listening(sidecars: Sidecars, name: string) {
  const changed = Promise.withResolvers<void>();
  const proxy = await sidecars.start(pod(name), '127.0.0.1', changed.resolve);
  await changed.promise;
  return proxy;
}

describe('the proxies of pods', () => {
  it('do not start any more once their pod has gone, however long a port is looked for', async () => {
    const slow = Promise.withResolvers<void>();
    const { sidecars, told } = await setUp(async (ip, wanted) => {
      if (ip === '127.0.0.2' && wanted === 15_000) await slow.promise;
      return wanted;
    });
    await listening(sidecars, 'stays');
    const brief = await sidecars.start(pod('brief'), '127.0.0.2', () => {});
    const stopped = brief?.stop();
    slow.resolve();
    await stopped;
    await listening(sidecars, 'later');
    expect(await told()).toEqual(['start 1', 'stop 2', 'start 3']);
  });

  it('that find no port for their admin interface say so, and are tried again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    cleanUp.push(async () => void vi.useRealTimers());
    let free = false;
    const { sidecars } = await setUp(async (_ip, wanted) => {
      if (wanted === 15_000 && !free) throw new Error('no free port on 127.0.0.1 (EADDRNOTAVAIL)');
      return wanted;
    });
    const changed = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let changes = 0;
    const proxy = await sidecars.start(pod('unlucky'), '127.0.0.1', () => changed[changes++]?.resolve());
    await changed[0]?.promise;
    expect(proxy).toMatchObject({ listening: false, problem: 'no free port on 127.0.0.1 (EADDRNOTAVAIL)' });
    free = true;
    vi.runAllTimers();
    await changed[1]?.promise;
    expect(proxy).toMatchObject({ listening: true, problem: undefined });
  });
});
