// What of a request body is held, and for how long another attempt can be made with it.

import { describe, expect, it } from 'vitest';
import { RequestBody } from './request-body.ts';

const MIB = 1024 * 1024;
const bytes = (text: string): Buffer => Buffer.from(text);

describe('a request body', () => {
  it('gives what it held to the first attempt, once', () => {
    const body = new RequestBody();
    body.hold(bytes('ab'));
    body.hold(bytes('cd'));
    expect(body.take()?.toString()).toBe('abcd');
    expect(body.take()).toBeUndefined();
  });

  it('that is kept is given whole to every attempt', () => {
    const body = new RequestBody();
    body.keep = true;
    body.hold(bytes('ab'));
    expect(body.take()?.toString()).toBe('ab');
    body.passed(bytes('cd'));
    expect(body.take()?.toString()).toBe('abcd');
    expect(body.repeatable).toBe(true);
  });

  it('that is not kept is not held once it is on its way', () => {
    const body = new RequestBody();
    body.passed(bytes('ab'));
    expect(body.take()).toBeUndefined();
    expect(body.repeatable).toBe(true);
  });

  it('is full beyond 1 MiB', () => {
    const body = new RequestBody();
    body.hold(Buffer.alloc(MIB));
    expect(body.full).toBe(false);
    body.hold(bytes('a'));
    expect(body.full).toBe(true);
  });

  it('that is kept and grows beyond 1 MiB is let go, and cannot be repeated', () => {
    const body = new RequestBody();
    body.keep = true;
    body.passed(Buffer.alloc(MIB));
    expect(body.repeatable).toBe(true);
    body.passed(bytes('a'));
    expect(body.repeatable).toBe(false);
    expect(body.take()).toBeUndefined();
  });

  it('is not held any more once a response has begun', () => {
    const body = new RequestBody();
    body.keep = true;
    body.hold(bytes('ab'));
    body.settle();
    body.passed(bytes('cd'));
    expect(body.take()).toBeUndefined();
  });
});
