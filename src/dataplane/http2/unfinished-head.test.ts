import { beforeEach, describe, expect, it } from 'vitest';
import { TimerWheel } from '../timer-wheel.ts';
import { UnfinishedHead } from './unfinished-head.ts';

const LIMIT = 100;
let clock: number;
let wheel: TimerWheel;
let session: { destroyed: boolean; state: { lastProcStreamID: number }; ping: (answered: Answered) => boolean };
let pings: Answered[];
let tooSlow: number;
let watch: UnfinishedHead;

type Answered = (error: Error | null) => void;

beforeEach(() => {
  clock = 0;
  wheel = new TimerWheel(1, () => clock);
  pings = [];
  tooSlow = 0;
  session = { destroyed: false, state: { lastProcStreamID: 0 }, ping: (answered) => pings.push(answered) > 0 };
  const services = { timers: wheel, now: () => clock };
  watch = new UnfinishedHead(session, { onUnfinishedHead: () => (tooSlow += 1) }, LIMIT, services);
});

function pass(ms: number): void {
  for (const end = clock + ms; clock < end; ) {
    clock += 1;
    wheel.tick();
  }
}

describe('a header block that', () => {
  it('has begun and does not end is told once, after its time', () => {
    pass(LIMIT);
    session.state.lastProcStreamID = 1;
    pass(LIMIT - 1);
    expect(tooSlow).toBe(0);
    pass(LIMIT);
    expect(tooSlow).toBe(1);
    pass(10 * LIMIT);
    expect(tooSlow).toBe(1);
  });

  it('ends in time is none', () => {
    session.state.lastProcStreamID = 1;
    pass(LIMIT - 1);
    watch.onHead(1);
    pass(10 * LIMIT);
    expect(tooSlow).toBe(0);
  });

  it('was refused, and so is never told of, is complete when the client answers a PING', () => {
    session.state.lastProcStreamID = 1;
    pass(LIMIT - 1);
    expect(pings.length).toBe(1);
    pings[0]?.(null);
    pass(10 * LIMIT);
    expect(tooSlow).toBe(0);
  });

  it('follows one that was refused has its own time', () => {
    session.state.lastProcStreamID = 1;
    pass(LIMIT - 1);
    pings[0]?.(null);
    session.state.lastProcStreamID = 3;
    pass(LIMIT - 1);
    expect(tooSlow).toBe(0);
    pass(LIMIT);
    expect(tooSlow).toBe(1);
  });

  it('is under way when a PING is cancelled is not complete by that', () => {
    session.state.lastProcStreamID = 1;
    pass(LIMIT - 1);
    pings[0]?.(new Error('cancelled'));
    pass(LIMIT);
    expect(tooSlow).toBe(1);
  });

  it('has begun on a connection that is closed since is nobody’s', () => {
    session.state.lastProcStreamID = 1;
    pass(LIMIT - 1);
    watch.stop();
    pass(10 * LIMIT);
    expect(tooSlow).toBe(0);
  });
});
