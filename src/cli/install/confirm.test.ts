import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { confirm } from './confirm.ts';

/** A terminal at which somebody types this, and then ends the input. */
const terminal = (typed: string) => {
  const input = Object.assign(new PassThrough(), { isTTY: true });
  const output = new PassThrough({ encoding: 'utf8' });
  input.end(typed);
  return { input, output };
};

describe('the question before something is changed', () => {
  it.each(['y\n', 'Y\n', ' yes \n'])('%j goes ahead', async (typed) => {
    const at = terminal(typed);
    expect(await confirm('Proceed? (y/N) ', at)).toBe(true);
    expect(at.output.read()).toContain('Proceed? (y/N) ');
  });

  it.each(['\n', 'n\n', 'yep\n', ''])('%j does not', async (typed) => {
    expect(await confirm('Proceed? (y/N) ', terminal(typed))).toBe(false);
  });

  it('is no question where nobody can be asked', async () => {
    const at = { input: new PassThrough(), output: new PassThrough() };
    await expect(confirm('Proceed? (y/N) ', at)).rejects.toThrow('-y (--skip-confirmation) goes ahead');
  });
});
