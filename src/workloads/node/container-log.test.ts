import { describe, expect, it } from 'vitest';
import { ContainerLog } from './container-log.ts';

const QUERY = { follow: false, timestamps: false };
const textOf = async (stream: AsyncIterable<Buffer>) => Buffer.concat(await Array.fromAsync(stream)).toString();

describe('the log of a container', () => {
  it('has whole lines, whatever pieces they came in, and a last one without its end', async () => {
    const log = new ContainerLog();
    log.write('one\ntw', 'stdout');
    log.write('error\n', 'stderr');
    log.write('o\nrest', 'stdout');
    expect(await textOf(log.read(QUERY))).toBe('one\nerror\ntwo\n');
    log.end();
    expect(await textOf(log.read(QUERY))).toBe('one\nerror\ntwo\nrest');
  });

  it('gives the last lines, those since a moment, with times, and so many bytes', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z');
    const log = new ContainerLog(() => now);
    for (const line of ['a', 'b', 'c']) {
      log.write(`${line}\n`, 'stdout');
      now += 1000;
    }
    expect(await textOf(log.read({ ...QUERY, tailLines: 2 }))).toBe('b\nc\n');
    expect(await textOf(log.read({ ...QUERY, tailLines: 0 }))).toBe('');
    expect(await textOf(log.read({ ...QUERY, since: now - 1000 }))).toBe('c\n');
    expect(await textOf(log.read({ ...QUERY, limitBytes: 3 }))).toBe('a\nb');
    expect(await textOf(log.read({ ...QUERY, timestamps: true, tailLines: 1 }))).toBe('2026-01-01T00:00:02.000Z c\n');
  });

  it('can be followed until the container ends', async () => {
    const log = new ContainerLog();
    log.write('before\n', 'stdout');
    const text = textOf(log.read({ ...QUERY, follow: true }));
    log.write('after\n', 'stdout');
    log.end();
    expect(await text).toBe('before\nafter\n');
  });

  it('keeps the newest megabyte', async () => {
    const log = new ContainerLog();
    for (let count = 0; count < 3000; count++) log.write(`${String(count).padStart(999, ' ')}\n`, 'stdout');
    const lines = (await textOf(log.read(QUERY))).trimEnd().split('\n');
    expect(lines.length).toBe(1048);
    expect(lines.at(-1)?.trim()).toBe('2999');
  });

  it('cuts a line without end into pieces', async () => {
    const log = new ContainerLog();
    log.write('x'.repeat(40_000), 'stdout');
    log.end();
    expect((await textOf(log.read(QUERY))).split('\n').map(({ length }) => length)).toEqual([16_384, 16_384, 7232]);
  });
});
