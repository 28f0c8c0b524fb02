import { describe, expect, it } from 'vitest';
import { Memo } from './memo.ts';

describe('Memo', () => {
  const input = {};

  it('builds once for the same inputs, and again for others', () => {
    const memo = new Memo();
    const first = memo.get('a', [input], () => ({}));
    expect(memo.get('a', [input], () => ({}))).toBe(first);
    expect(memo.get('a', [input, 1], () => ({}))).not.toBe(first);
    expect(memo.get('a', [{}], () => ({}))).not.toBe(first);
  });

  it('takes over from the memo before it what is asked for again', () => {
    const before = new Memo();
    const value = before.get('a', [input], () => ({}));
    expect(new Memo(before).get('a', [input], () => ({}))).toBe(value);
  });

  it('forgets what a whole generation did not ask for', () => {
    const first = new Memo();
    const value = first.get('a', [input], () => ({}));
    const third = new Memo(new Memo(first));
    expect(third.get('a', [input], () => ({}))).not.toBe(value);
  });

  it('keeps the names of a scope apart, and takes them over and forgets them alike', () => {
    const first = new Memo();
    const value = first.scope('x').get('a', [input], () => ({}));
    expect(first.get('a', [input], () => ({}))).not.toBe(value);
    expect(first.scope('y').get('a', [input], () => ({}))).not.toBe(value);
    expect(first.scope('x').get('a', [input], () => ({}))).toBe(value);
    const second = new Memo(first);
    expect(second.scope('x').get('a', [input], () => ({}))).toBe(value);
    const fourth = new Memo(new Memo(second));
    expect(fourth.scope('x').get('a', [input], () => ({}))).not.toBe(value);
  });
});
