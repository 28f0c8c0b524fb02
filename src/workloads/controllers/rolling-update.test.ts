import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Deployment } from '../../resources/types.ts';
import { rollOut } from './rolling-update.ts';

const deployment = (replicas: number, spec: object = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'app' },
  spec: { replicas, selector: {}, template: {}, ...spec } as never,
});
const old = (replicas: number, available = replicas) => ({ replicas, available, running: replicas });

describe('a step of a roll-out', () => {
  it('makes one more pod before one goes, where there is one', () => {
    expect(rollOut({ deployment: deployment(1), current: undefined, before: [old(1)] }).replicas).toEqual({
      current: 1,
      before: [1],
    });
    const next = rollOut({ deployment: deployment(1), current: { replicas: 1, available: 1 }, before: [old(1)] });
    expect(next.replicas).toEqual({ current: 1, before: [0] });
  });

  it('exchanges a quarter at a time', () => {
    expect(rollOut({ deployment: deployment(8), current: undefined, before: [old(8)] }).replicas).toEqual({
      current: 2,
      before: [6],
    });
  });

  it('takes those that do not serve first', () => {
    const { replicas } = rollOut({
      deployment: deployment(4),
      current: { replicas: 1, available: 0 },
      before: [old(2, 2), old(2, 1)],
    });
    expect(replicas.before).toEqual([2, 1]);
  });

  it('with Recreate starts nothing until the old pods are gone', () => {
    const recreate = deployment(2, { strategy: { type: 'Recreate' } });
    expect(rollOut({ deployment: recreate, current: undefined, before: [old(2)] }).replicas).toEqual({
      current: 0,
      before: [0],
    });
    const gone = { replicas: 0, available: 0, running: 0 };
    expect(
      rollOut({ deployment: recreate, current: { replicas: 0, available: 0 }, before: [gone] }).replicas.current,
    ).toBe(2);
  });

  it('when it is paused changes no template, but scales', () => {
    const paused = deployment(3, { paused: true });
    expect(rollOut({ deployment: paused, current: undefined, before: [old(1)] }).replicas).toEqual({
      current: 0,
      before: [3],
    });
  });

  it('comes to its end with enough pods serving at each step, and never more than allowed', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 0, max: 12 }),
        fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom('0%', '25%', '50%', '100%')),
        fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constantFrom('0%', '25%', '50%', '100%')),
        (desired, before, maxSurge, maxUnavailable) => {
          const wanted = deployment(desired, { strategy: { rollingUpdate: { maxSurge, maxUnavailable } } });
          const number = (value: number | string, round: (n: number) => number) =>
            typeof value === 'number' ? value : round((Number.parseInt(value, 10) * desired) / 100);
          const surge = number(maxSurge, Math.ceil);
          const unavailable = number(maxUnavailable, Math.floor) || (surge === 0 ? 1 : 0);
          let now = { current: 0, before };
          for (let step = 0; now.current !== desired || now.before !== 0; step++) {
            expect(step).toBeLessThan(60);
            // Everything that was started serves by the next step.
            const { replicas } = rollOut({
              deployment: wanted,
              current: { replicas: now.current, available: now.current },
              before: [old(now.before)],
            });
            const serving = Math.min(now.current, replicas.current) + (replicas.before[0] ?? 0);
            expect(serving).toBeGreaterThanOrEqual(Math.min(desired - unavailable, now.current + now.before));
            expect(replicas.current + (replicas.before[0] ?? 0)).toBeLessThanOrEqual(
              Math.max(desired + surge, now.current + now.before),
            );
            now = { current: replicas.current, before: replicas.before[0] ?? 0 };
          }
        },
      ),
    );
  });
});
