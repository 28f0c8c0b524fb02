// When a client connection has had its time.

import { beforeEach, describe, expect, it } from 'vitest';
import { TimerWheel } from '../timer-wheel.ts';
import { ConnectionTimeouts } from './connection-timeouts.ts';
import type { HcmConfig } from './hcm-config.ts';

const NO_LIMITS = { idleTimeoutMs: 0, maxConnectionDurationMs: 0, requestHeadersTimeoutMs: 60, delayedCloseMs: 0 };

let now = 0;
let wheel: TimerWheel;
let over: string[] = [];

beforeEach(() => {
  now = 1_000_000;
  wheel = new TimerWheel(1, () => now);
  over = [];
});

function start(limits: Partial<typeof NO_LIMITS>): ConnectionTimeouts {
  const services = { timers: wheel, now: () => now } as unknown as HcmConfig['services'];
  const timeouts = new ConnectionTimeouts(
    { ...NO_LIMITS, ...limits, services },
    {
      onIdleTimeout: () => over.push('idle'),
      onMaxDuration: () => over.push('duration'),
      onHeadTimeout: () => over.push('head'),
      onLingerTimeout: () => over.push('linger'),
    },
  );
  timeouts.start();
  return timeouts;
}

function pass(ms: number): void {
  for (let i = 0; i < ms; i += 1) {
    now += 1;
    wheel.tick();
  }
}

describe('a connection', () => {
  it('without limits stays', () => {
    start({});
    pass(1000);
    expect(over).toEqual([]);
  });

  it('is idle from its last response on, not while a request is under way', () => {
    const timeouts = start({ idleTimeoutMs: 100 });
    pass(50);
    timeouts.busy();
    pass(500);
    timeouts.idle();
    pass(90);
    expect(over).toEqual([]);
    pass(20);
    expect(over).toEqual(['idle']);
  });

  it('has its longest duration, whatever it does, and is told once', () => {
    const timeouts = start({ maxConnectionDurationMs: 100, idleTimeoutMs: 80 });
    pass(50);
    timeouts.busy();
    pass(200);
    expect(over).toEqual(['duration']);
  });

  it('has its time for a request head from the head’s first byte on', () => {
    const timeouts = start({});
    pass(500);
    timeouts.headBegins();
    pass(40);
    timeouts.headBegins();
    pass(30);
    expect(over).toEqual(['head']);
  });

  it('whose request head came in time goes on', () => {
    const timeouts = start({});
    timeouts.headBegins();
    pass(40);
    timeouts.busy();
    pass(100);
    expect(over).toEqual([]);
  });

  it('lingers for as long as it may', () => {
    const timeouts = start({ delayedCloseMs: 100, idleTimeoutMs: 1 });
    timeouts.linger();
    pass(90);
    expect(over).toEqual([]);
    pass(20);
    expect(over).toEqual(['linger']);
  });

  it('that is closed hears nothing any more', () => {
    start({ idleTimeoutMs: 10 }).stop();
    pass(100);
    expect(over).toEqual([]);
  });
});
