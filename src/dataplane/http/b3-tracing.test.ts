import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { injectSpan, sample, traceContext } from './b3-tracing.ts';
import { HeaderList } from './header-list.ts';

const list = (headers: Record<string, string>): HeaderList => {
  const headerList = new HeaderList();
  for (const [name, value] of Object.entries(headers)) headerList.add(name, value);
  return headerList;
};
/** An id whose first eight digits, modulo 10,000, are `lot`. */
const id = (lot: number) => `${lot.toString(16).padStart(8, '0')}-b2ae-4804-a54d-fe677c8f9bd0`;
const reason = (headers: HeaderList) => headers.get('x-request-id')?.[14];

describe('sampling', () => {
  const one = { random: 100, client: 10_000, overall: 10_000 };

  it('takes the share of request ids that it is told, and marks them', () => {
    const sampled = list({ 'x-request-id': id(99) });
    expect(sample(sampled, one)).toBe(true);
    expect(reason(sampled)).toBe('9');
    const left = list({ 'x-request-id': id(100) });
    expect(sample(left, one)).toBe(false);
    expect(reason(left)).toBe('4');
  });

  it.each(['9', 'a', 'b'])('believes an id that is marked already: %s', (mark) => {
    const headers = list({ 'x-request-id': id(5000).replace('-4804-', `-${mark}804-`) });
    expect(sample(headers, one)).toBe(true);
    expect(reason(headers)).toBe(mark);
  });

  it('hears a client and a neighbour that ask for it', () => {
    const client = list({ 'x-request-id': id(5000), 'x-client-trace-id': 'x' });
    expect([sample(client, one), reason(client)]).toEqual([true, 'b']);
    const neighbour = list({ 'x-request-id': id(5000), 'x-envoy-force-trace': 'true' });
    expect([sample(neighbour, one), reason(neighbour)]).toEqual([true, 'a']);
  });

  it('says no where the id is none, or nothing is sampled at all', () => {
    expect(sample(list({ 'x-request-id': 'one', 'x-envoy-force-trace': '1' }), one)).toBe(false);
    expect(sample(list({}), one)).toBe(false);
    expect(sample(list({ 'x-request-id': id(0) }), { ...one, overall: 0 })).toBe(false);
  });
});

describe('a span', () => {
  it('of a new trace: its parent is the first span, which is the lower half of the trace id', () => {
    const headers = list({});
    injectSpan(headers, traceContext(headers, true, Math.random)!, Math.random);
    expect(headers.get('x-b3-traceid')).toMatch(/^[0-9a-f]{32}$/);
    expect(headers.get('x-b3-parentspanid')).toBe(headers.get('x-b3-traceid')?.slice(16));
    expect(headers.get('x-b3-spanid')).not.toBe(headers.get('x-b3-parentspanid'));
    expect(headers.get('x-b3-sampled')).toBe('1');
  });

  it('of each attempt is another one, under the same parent', () => {
    const headers = list({ 'x-b3-traceid': 'a'.repeat(32), 'x-b3-spanid': 'b'.repeat(16) });
    const context = traceContext(headers, false, Math.random)!;
    injectSpan(headers, context, Math.random);
    const first = { span: headers.get('x-b3-spanid'), parent: headers.get('x-b3-parentspanid') };
    injectSpan(headers, context, Math.random);
    expect(headers.get('x-b3-spanid')).not.toBe(first.span);
    expect(headers.get('x-b3-parentspanid')).toBe(first.parent);
    expect(headers.fields.length).toBe(8);
  });

  it('is never made of what is no context: whatever clients send, what goes on is well-formed or as it came', () => {
    const value = fc.oneof(fc.stringMatching(/^[0-9a-fd-]{0,70}$/), fc.string({ maxLength: 40 }));
    fc.assert(
      fc.property(value, value, value, fc.boolean(), (traceId, spanId, b3, single) => {
        const sent: Record<string, string> = single ? { b3 } : { 'x-b3-traceid': traceId, 'x-b3-spanid': spanId };
        const headers = list(sent);
        const context = traceContext(headers, false, Math.random);
        if (context === undefined) return;
        injectSpan(headers, context, Math.random);
        const form = single
          ? /^b3:[0-9a-f]{16}([0-9a-f]{16})?-[0-9a-f]{16}-[01]-[0-9a-f]{16}$/
          : /^x-b3-traceid:[0-9a-f]{16}([0-9a-f]{16})?,x-b3-spanid:[0-9a-f]{16},x-b3-parentspanid:[0-9a-f]{16},x-b3-sampled:[01]$/;
        const text = headers.fields.map((field, index) => (index % 2 === 0 ? `${field}:` : `${field},`)).join('');
        expect(text.slice(0, -1)).toMatch(form);
      }),
    );
  });
});
