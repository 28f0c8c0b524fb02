import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { createFifo } from './fifo.ts';

it('a child can open its standard output anew when that is a pipe with a name, and no name is left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'limen-fifo-'));
  try {
    const fifo = createFifo(folder, 'out');
    expect(readdirSync(folder)).toEqual([]);
    const child = spawn('sh', ['-c', 'echo one; echo two > /dev/stdout'], { stdio: ['ignore', fifo.fd, 'inherit'] });
    fifo.handOver();
    expect(await text(fifo.output)).toBe('one\ntwo\n');
    if (child.exitCode === null) await new Promise((resolve) => child.on('exit', resolve));
    expect(child.exitCode).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
