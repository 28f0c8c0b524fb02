// The numbers of one worker as plain data: what crosses from a worker to the process that answers `/stats`, and how several become one.

import type { Stats } from './stats.ts';

/** A histogram as plain data. */
export interface HistogramSnapshot {
  /** Upper bounds of the buckets, ascending; the last bucket has none. */
  bounds: number[];
  /** One more than `bounds`; each bucket on its own, not cumulated. */
  counts: number[];
  sum: number;
}

/** All statistics by Envoy's dotted name. Only plain values: survives `process.send` and `structuredClone`. */
export interface StatsSnapshot {
  counters: [name: string, value: number][];
  gauges: [name: string, value: number][];
  histograms: [name: string, histogram: HistogramSnapshot][];
}

/** The numbers at this moment. */
export function snapshotStats(stats: Stats): StatsSnapshot {
  return {
    counters: Array.from(stats.counters, ([name, counter]) => [name, counter.value]),
    gauges: Array.from(stats.gauges, ([name, gauge]) => [name, gauge.value]),
    histograms: Array.from(stats.histograms, ([name, { bounds, counts, sum }]) => [
      name,
      { bounds: [...bounds], counts: [...counts], sum },
    ]),
  };
}

/** Gauges that say the same in every worker (a state, a version, a time): the largest stands for all, a sum would be wrong. */
const SAME_IN_EVERY_WORKER = new Set(['server.live', 'server.state', 'server.concurrency', 'server.uptime']);

function isSameInEveryWorker(name: string): boolean {
  return (
    SAME_IN_EVERY_WORKER.has(name) ||
    name.startsWith('control_plane.') ||
    name.startsWith('listener_manager.') ||
    name.startsWith('cluster_manager.') ||
    name.includes('.membership_') ||
    name.endsWith('.version')
  );
}

/**
 * The numbers of several workers as one: counters and histogram buckets add up, gauges too, but for those that say the same in every worker
 * (`cluster.<name>.membership_total`, `server.*`, …), of which the largest counts. Histograms with different bounds do not add: the first one's bounds stay
 * and the others' buckets go to the bucket that holds their upper bound.
 */
export function mergeStats(snapshots: readonly StatsSnapshot[]): StatsSnapshot {
  const counters = new Map<string, number>();
  const gauges = new Map<string, number>();
  const histograms = new Map<string, HistogramSnapshot>();
  for (const snapshot of snapshots) {
    for (const [name, value] of snapshot.counters) counters.set(name, (counters.get(name) ?? 0) + value);
    for (const [name, value] of snapshot.gauges) {
      const before = gauges.get(name);
      if (before === undefined) gauges.set(name, value);
      else gauges.set(name, isSameInEveryWorker(name) ? Math.max(before, value) : before + value);
    }
    for (const [name, histogram] of snapshot.histograms) {
      const merged = histograms.get(name);
      if (merged === undefined)
        histograms.set(name, { bounds: [...histogram.bounds], counts: [...histogram.counts], sum: histogram.sum });
      else addHistogram(merged, histogram);
    }
  }
  return { counters: [...counters], gauges: [...gauges], histograms: [...histograms] };
}

function addHistogram(into: HistogramSnapshot, from: HistogramSnapshot): void {
  into.sum += from.sum;
  for (const [index, count] of from.counts.entries()) {
    const upper = from.bounds[index] ?? Number.POSITIVE_INFINITY;
    const bucket = into.bounds[index] === upper ? index : into.bounds.findIndex((bound) => upper <= bound);
    into.counts[bucket === -1 ? into.bounds.length : bucket]! += count;
  }
}
