// Trace context in B3 headers: a request that has one goes on with it, one that has none begins a trace. Spans are not reported.
// https://github.com/openzipkin/b3-propagation; what Envoy's Zipkin tracer does with `spawn_upstream_span`, as Istio configures it.

import type { HttpConnectionManager_Tracing } from '../../xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { HeaderList } from './header-list.ts';

/** The tracer of Istio's bootstrap. A connection manager that names no provider has that one. */
const ZIPKIN = 'envoy.tracers.zipkin';

const MULTI = ['x-b3-traceid', 'x-b3-spanid', 'x-b3-parentspanid', 'x-b3-sampled'] as const;

/** How many of 10,000 traces are sampled: by themselves, because a client asks (x-client-trace-id), at all. */
export interface B3Sampling {
  readonly random: number;
  readonly client: number;
  readonly overall: number;
}

/** The trace of one request at this gateway. Each attempt at an upstream is a span under it. */
export interface TraceContext {
  readonly traceId: string;
  /** The gateway's own span: the parent of the attempts'. */
  readonly spanId: string;
  readonly sampled: boolean;
  /** In one header, `b3`, as it came. */
  readonly single: boolean;
}

/** The sampling of a connection manager whose tracer speaks B3; undefined where nothing is traced. */
export function compileB3(tracing: HttpConnectionManager_Tracing | undefined): B3Sampling | undefined {
  if (tracing === undefined || (tracing.provider !== undefined && tracing.provider.name !== ZIPKIN)) return undefined;
  const of = (percent: { readonly value: number } | undefined) => Math.round((percent?.value ?? 100) * 100);
  return {
    random: of(tracing.randomSampling),
    client: of(tracing.clientSampling),
    overall: of(tracing.overallSampling),
  };
}

/** Why a request is traced, as Envoy packs it into x-request-id: the version digit of the UUID. */
const Reason = { None: '4', Sampled: '9', Forced: 'a', Client: 'b' } as const;
const REASON_AT = 14;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Decides whether a request is sampled, and says so in its x-request-id. The id itself decides, so that all proxies on the way agree.
 *
 * @returns whether
 */
export function sample(headers: HeaderList, sampling: B3Sampling): boolean {
  const id = headers.get('x-request-id');
  // An id that a neighbour made in another form says nothing.
  if (id === undefined || !UUID.test(id)) return false;
  const told = id[REASON_AT];
  if (told === Reason.Sampled || told === Reason.Forced || told === Reason.Client) return true;
  const lot = Number.parseInt(id.slice(0, 8), 16) % 10_000;
  const reason =
    lot < sampling.client && headers.has('x-client-trace-id')
      ? Reason.Client
      : headers.has('x-envoy-force-trace')
        ? Reason.Forced
        : lot < sampling.random
          ? Reason.Sampled
          : Reason.None;
  if (reason === Reason.None || lot >= sampling.overall) return false;
  headers.set('x-request-id', id.slice(0, REASON_AT) + reason + id.slice(REASON_AT + 1));
  return true;
}

const ID = /^[0-9a-f]{1,16}$/i;
const TRACE_ID = /^[0-9a-f]{1,32}$/i;
const SINGLE = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-([0-9a-f]{16}))?)?$/i;

/**
 * The gateway's span for a request.
 *
 * @param sampled what holds where the client says nothing of it
 * @param random uniform in [0, 1)
 * @returns undefined where the client's context is malformed: it goes on as it came
 */
export function traceContext(headers: HeaderList, sampled: boolean, random: () => number): TraceContext | undefined {
  const b3 = headers.get('b3');
  if (b3 !== undefined) {
    if (b3 === '0' || b3 === '1' || b3 === 'd') return newTrace(b3 !== '0', true, random);
    const match = SINGLE.exec(b3);
    if (match === null) return undefined;
    const [, traceId = '', , flag] = match;
    const decided = flag === undefined ? sampled : flag !== '0';
    return { traceId: traceId.toLowerCase(), spanId: randomId(random), sampled: decided, single: true };
  }
  const flag = headers.get('x-b3-sampled');
  const decided = flag === undefined ? sampled : flag === '1' || flag === 'true';
  const traceId = headers.get('x-b3-traceid');
  const spanId = headers.get('x-b3-spanid');
  if (traceId === undefined || spanId === undefined) return newTrace(decided, false, random);
  const parent = headers.get('x-b3-parentspanid');
  if (!TRACE_ID.test(traceId) || !ID.test(spanId) || (parent !== undefined && parent !== '' && !ID.test(parent))) {
    return undefined;
  }
  const width = traceId.length > 16 ? 32 : 16;
  return {
    traceId: traceId.toLowerCase().padStart(width, '0'),
    spanId: randomId(random),
    sampled: decided,
    single: false,
  };
}

// The first span of a trace has the lower half of the trace's id.
function newTrace(sampled: boolean, single: boolean, random: () => number): TraceContext {
  const spanId = randomId(random);
  return { traceId: randomId(random) + spanId, spanId, sampled, single };
}

/** Gives an attempt at an upstream a span of its own. */
export function injectSpan(
  headers: HeaderList,
  { traceId, spanId, sampled, single }: TraceContext,
  random: () => number,
): void {
  const own = randomId(random);
  const flag = sampled ? '1' : '0';
  if (single) {
    headers.remove('b3');
    headers.add('b3', `${traceId}-${own}-${flag}-${spanId}`);
    return;
  }
  for (const name of MULTI) headers.remove(name);
  headers.fields.push(MULTI[0], traceId, MULTI[1], own, MULTI[2], spanId, MULTI[3], flag);
}

/** All bytes in hex. A table of more digits is slower: it does not stay in the processor's cache. */
const HEX = Array.from({ length: 0x100 }, (_, byte) => byte.toString(16).padStart(2, '0'));

// 64 bits. An id need not be unguessable.
function randomId(random: () => number): string {
  return hex32(Math.floor(random() * 0x1_0000_0000)) + hex32(Math.floor(random() * 0x1_0000_0000));
}

function hex32(bits: number): string {
  return HEX[bits >>> 24]! + HEX[(bits >>> 16) & 0xff]! + HEX[(bits >>> 8) & 0xff]! + HEX[bits & 0xff]!;
}
