import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AdsServer } from '../../xds/server.ts';
import { listenForXds, type XdsPortFlags } from './xds-ports.ts';

const log = pino({ level: 'silent' });
const undo: (() => unknown)[] = [];
let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'limen-xds-port-'));
  undo.push(() => rmSync(home, { recursive: true }));
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function start(flags: XdsPortFlags = {}): { address: Promise<string>; close: () => Promise<void> } {
  const server = new AdsServer({ resourcesFor: () => new Map(), log });
  undo.push(() => server.close());
  return { address: listenForXds(server, flags, home, log), close: () => server.close() };
}

describe('the xDS port', () => {
  it('is a free one of loopback, and the same at the next start from the same home', async () => {
    const first = start();
    const address = await first.address;
    expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    await first.close();
    expect(await start().address).toBe(address);
  });

  it('is another one where that of the run before is taken', async () => {
    const first = start();
    const address = await first.address;
    const second = await start().address;
    expect(second).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(second).not.toBe(address);
  });

  it.each(['', 'no port', '0', '70000', '-1'])('is a free one where %j was left in the home', async (text) => {
    writeFileSync(join(home, 'xds-port'), text);
    expect(await start().address).toMatch(/^127\.0\.0\.1:[1-9]\d+$/);
  });

  it('is the one asked for, and an error where that is taken', async () => {
    const other = createServer();
    undo.push(() => other.close());
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(start({ xdsPort: String(port) }).address).rejects.toThrow(
      new RegExp(`^--xds-port: xDS server cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`),
    );
    expect(await start({ xdsPort: '127.0.0.2:0' }).address).toMatch(/^127\.0\.0\.2:[1-9]/);
  });

  it.each([
    [{ xdsPort: '0.0.0.0:0' }, /plain text is for loopback addresses only/],
    [{ xdsPort: 'eighty' }, /--xds-port eighty: expected HOST:PORT/],
    [{ xdsCert: 'c' }, /--xds-cert: expected with --xds-key/],
  ])('refuses %j', async (flags, message) => {
    await expect(start(flags).address).rejects.toThrow(message);
  });
});
