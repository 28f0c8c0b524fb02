// The programs the walkthroughs are done with: a test whose program is missing is skipped, or fails where all must be there.

import { spawnSync } from 'node:child_process';
import { describe, it } from 'vitest';

/** A program on the PATH that these tests run. */
export type Tool = 'curl' | 'openssl' | 'envoy' | 'kubectl' | 'telnet' | 'h2load';

const PROBES: Record<Tool, string[]> = {
  curl: ['--version'],
  openssl: ['version'],
  envoy: ['--version'],
  kubectl: ['version', '--client'],
  telnet: ['--version'],
  h2load: ['--version'],
};

/** What carries the traffic of the `limen up` under test. The test runner's project `envoy` sets it. */
export const DATA_PLANE = process.env.LIMEN_TEST_DATA_PLANE === 'envoy' ? 'envoy' : 'limen';

/** Whether a program is there. */
export function isOnPath(tool: Tool): boolean {
  return spawnSync(tool, PROBES[tool]).status === 0;
}

/**
 * `describe` that needs programs. Where one is missing the block is skipped and its name says why; with LIMEN_TEST_STRICT=1 it fails.
 */
export function describeWith(tools: readonly Tool[], name: string, body: () => void): void {
  const needed: readonly Tool[] = DATA_PLANE === 'envoy' ? [...tools, 'envoy'] : tools;
  const missing = needed.filter((tool) => !isOnPath(tool));
  if (missing.length === 0) {
    // A walkthrough is steps: each begins where the one before ended, in a shuffled run too.
    describe(name, { shuffle: false }, body);
  } else if (process.env.LIMEN_TEST_STRICT === '1') {
    it(`${name} (needs ${missing.join(', ')})`, () => {
      throw new Error(`not on the PATH: ${missing.join(', ')}`);
    });
  } else {
    describe.skip(`${name} (not on the PATH: ${missing.join(', ')})`, body);
  }
}
