import { describe, expect, it } from 'vitest';
import { createLog } from '../log.ts';
import { lineSplitter } from './lines.ts';
import { logFlags, logLine, parseLogLine } from './log-lines.ts';

describe('a line of Envoy’s log', () => {
  it.each([
    ['[warning][config] rejected', { level: 'warn', component: 'config', message: 'rejected' }],
    ['[critical][backtrace] Caught Segmentation fault', { level: 'fatal', component: 'backtrace' }],
    ['[error][wasm-x] failed', { level: 'error', component: 'wasm-x' }],
    ['[warning][main] caught ENVOY_SIGTERM', { level: 'debug' }],
  ])('%s has a level, a component and a message', (line, expected) => {
    expect(parseLogLine(line)).toMatchObject(expected);
  });

  it('of several lines is one, quotes and backslashes readable, control characters not', () => {
    const line = String.raw`[warning][config] first\nsecond \"quoted\" C:\\x \x1b[31m\n`;
    expect(parseLogLine(line)?.message).toBe(String.raw`first second "quoted" C:\x \x1b[31m`);
  });

  it.each(['{"path":"/"}', '[2026-11-20T15:25:25.330Z] "GET / HTTP/1.1" 200', 'exec format error'])(
    'is none of it: %s',
    (line) => {
      expect(parseLogLine(line)).toBeUndefined();
    },
  );

  it('becomes a line of ours, and what is none of it goes on as it is', () => {
    let logged = '';
    let passedOn = '';
    const log = createLog({ level: 'info', format: 'text', color: false, write: (line) => (logged += line) });
    for (const line of ['[warning][config] rejected', '{"path":"/"}', '[debug][main] chatter'])
      logLine(line, log, (text) => (passedOn += text));
    expect(logged).toMatch(/^\d\d:\d\d:\d\d\.\d{3} warn {2}rejected envoy=config\n$/);
    expect(passedOn).toBe('{"path":"/"}\n');
  });

  it('is written at a level that says what ours says', () => {
    expect(logFlags('info')).toEqual(expect.arrayContaining(['--log-level', 'warning']));
    expect(logFlags('debug')).toEqual(expect.arrayContaining(['--log-level', 'info']));
    expect(logFlags('error')).toEqual(expect.arrayContaining(['--log-level', 'error']));
  });
});

describe('lines', () => {
  it('come whole, however the bytes come', () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    const bytes = Buffer.from('one\nzwölf\n\nlast');
    for (const byte of bytes) splitter.push(Buffer.from([byte]));
    expect(lines).toEqual(['one', 'zwölf', '']);
    splitter.end();
    expect(lines).toEqual(['one', 'zwölf', '', 'last']);
  });
});
