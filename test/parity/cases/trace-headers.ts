// Trace context in B3 headers: begun at the gateway, or passed on.

import { routes, TO_A } from '../objects.ts';
import { get, type Headers } from '../row.ts';
import { section } from '../section.ts';

const TRACE = '463ac35c9f6413ad48485a3953bb6124';
const SPAN = 'a2fb4a1d1a96d312';
const PARENT = '0020000000000001';
const row = (name: string, headers: Headers) => ({ name, send: get('/a', headers), gives: '200' });

section(import.meta.url, [
  {
    name: 'B3',
    yaml: routes(`{ ${TO_A} }`),
    rows: [
      row('no context', {}),
      row('a context', {
        'X-B3-TraceId': TRACE,
        'X-B3-SpanId': SPAN,
        'X-B3-ParentSpanId': PARENT,
        'X-B3-Sampled': '1',
      }),
      row('a context that is not sampled', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Sampled': '0' }),
      row('a context that leaves it open', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN }),
      row('a trace id of 64 bits', { 'X-B3-TraceId': '48485a3953bb6124', 'X-B3-SpanId': SPAN, 'X-B3-Sampled': '1' }),
      row('sampled: true', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Sampled': 'true' }),
      row('a debug flag', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-Flags': '1' }),
      row('a trace id alone', { 'X-B3-TraceId': TRACE }),
      row('a span id alone', { 'X-B3-SpanId': SPAN }),
      row('sampled alone', { 'X-B3-Sampled': '1' }),
      row('a trace id that is none', { 'X-B3-TraceId': 'zzz', 'X-B3-SpanId': SPAN }),
      row('a span id that is none', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': 'xx' }),
      row('a parent that is none', { 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN, 'X-B3-ParentSpanId': 'xx' }),
      row('short ids in upper case', { 'X-B3-TraceId': 'ABC', 'X-B3-SpanId': 'A2', 'X-B3-Sampled': '1' }),
      row('b3 with all its parts', { b3: `${TRACE}-${SPAN}-1-${PARENT}` }),
      row('b3 without a parent', { b3: `${TRACE}-${SPAN}-1` }),
      row('b3 that leaves it open', { b3: `${TRACE}-${SPAN}` }),
      row('b3 for debugging', { b3: `${TRACE}-${SPAN}-d` }),
      row('b3: 0', { b3: '0' }),
      row('b3: 1', { b3: '1' }),
      row('b3: d', { b3: 'd' }),
      row('b3 that is none', { b3: 'bogus' }),
      row('both forms', { b3: `${TRACE}-${SPAN}-0`, 'X-B3-TraceId': TRACE, 'X-B3-SpanId': SPAN }),
      row('the context of W3C', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }),
      row('a client that asks to be traced', { 'X-Client-Trace-Id': 'abc' }),
      row('a neighbour that asks to be traced', { 'X-Envoy-Force-Trace': '1' }),
      row('an id that says so', { 'X-Request-Id': '5a8ace89-b2ae-9804-a54d-fe677c8f9bd0' }),
      row('an id of another form', { 'X-Request-Id': 'one' }),
      {
        name: 'a retry is a span of its own',
        send: get('/a'),
        upstream: ['HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'],
        gives: '200',
      },
    ],
  },
]);
