import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readInstance } from '../instance.ts';
import { instanceFile } from './instance-file.ts';

let folder: string;
let home: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'limen-instance-'));
  home = join(folder, 'home');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const instance = { pid: process.pid, startedAt: '', version: '0.0.0', xds: '127.0.0.1:1', proxies: [] };

describe('instance.json', () => {
  it('that cannot be written is said once, and written when it can be', async () => {
    const said: string[] = [];
    const log = pino({}, { write: (line: string) => void said.push((JSON.parse(line) as { msg: string }).msg) });
    const file = instanceFile(home, log, 1);
    writeFileSync(home, 'in the way');
    for (const xds of ['127.0.0.1:2', '127.0.0.1:3']) file.tell({ ...instance, xds });
    expect(said).toEqual([expect.stringContaining(`cannot be written to ${home}`)]);
    rmSync(home);
    await vi.waitFor(() => expect(readInstance(home).xds).toBe('127.0.0.1:3'));
    expect(said).toEqual([expect.anything(), 'instance.json is written again']);
    file.close();
  });
});
