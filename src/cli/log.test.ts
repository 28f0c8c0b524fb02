import { describe, expect, it } from 'vitest';
import { createLog, formatLine } from './log.ts';

describe('a log line', () => {
  it('is time, level, message and fields on one line', () => {
    const line = JSON.stringify({
      level: 30,
      time: '2026-01-02T03:04:05.678Z',
      type: 'CDS',
      resources: 4,
      node: 'router~127.0.0.1',
      msg: 'push',
    });
    expect(formatLine(line, false)).toBe('03:04:05.678 info  push type=CDS resources=4 node=router~127.0.0.1');
  });

  it('keeps control characters and spaces of a value from looking like another line or field', () => {
    const line = JSON.stringify({
      level: 40,
      time: '2026-01-02T03:04:05.678Z',
      host: 'a b=c\n12:00 info forged',
      msg: 'odd',
    });
    expect(formatLine(line, false)).toBe('03:04:05.678 warn  odd host="a b=c\\n12:00 info forged"');
  });

  it('ends with the message of an error', () => {
    const lines: string[] = [];
    const log = createLog({ level: 'info', format: 'text', color: false, write: (line) => lines.push(line) });
    log.error({ err: new Error('no such file') }, 'reading');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error reading: no such file\n$/);
  });

  it('is JSON where JSON was asked for', () => {
    const lines: string[] = [];
    createLog({ level: 'info', format: 'json', color: true, write: (line) => lines.push(line) }).info(
      { type: 'LDS' },
      'push',
    );
    expect(JSON.parse(lines[0] as string)).toMatchObject({ level: 30, type: 'LDS', msg: 'push' });
  });

  it('below the level is not written', () => {
    const lines: string[] = [];
    createLog({ level: 'warn', format: 'text', color: false, write: (line) => lines.push(line) }).info('quiet');
    expect(lines).toEqual([]);
  });
});
