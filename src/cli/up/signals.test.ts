import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { signalsOf } from './signals.ts';

describe('signals', () => {
  it('end in order at the first and at once at the second', async () => {
    const process = new EventEmitter() as unknown as NodeJS.Process;
    const signals = signalsOf(process);
    let ended = 0;
    process.emit('SIGTERM', 'SIGTERM');
    await signals.first;
    signals.onSecond(() => {
      ended += 1;
    });
    expect(ended).toBe(0);
    process.emit('SIGINT', 'SIGINT');
    expect(ended).toBe(1);
    signals.close();
    expect((process as unknown as EventEmitter).listenerCount('SIGINT')).toBe(0);
  });
});
