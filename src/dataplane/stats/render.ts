// Statistics as `/stats` prints them: `name: value` lines, or JSON.
// https://www.envoyproxy.io/docs/envoy/latest/operations/admin#get--stats

import type { HistogramSnapshot, StatsSnapshot } from './snapshot.ts';

/** The percentiles Envoy computes. */
const QUANTILES = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100] as const;

/** How a histogram is shown: percentiles, or its buckets. */
export const HISTOGRAM_BUCKETS = ['summary', 'none', 'cumulative', 'disjoint'] as const;
export type HistogramBuckets = (typeof HISTOGRAM_BUCKETS)[number];

/** Which statistics to take. */
export interface StatsSelection {
  /** Only what is not zero: a worker does not remember whether it wrote a zero. */
  readonly usedOnly: boolean;
  /** True for a name to be shown. */
  readonly matches: (name: string) => boolean;
  readonly type: 'All' | 'Counters' | 'Gauges' | 'Histograms' | 'TextReadouts';
}

/** The part of the statistics that a request asked for. */
export function selectStats(stats: StatsSnapshot, selection: StatsSelection): StatsSnapshot {
  const { usedOnly, matches, type } = selection;
  const wanted = (kind: StatsSelection['type']) => type === 'All' || type === kind;
  const scalar = ([name, value]: [string, number]) => (!usedOnly || value !== 0) && matches(name);
  return {
    counters: wanted('Counters') ? stats.counters.filter(scalar) : [],
    gauges: wanted('Gauges') ? stats.gauges.filter(scalar) : [],
    histograms: wanted('Histograms')
      ? stats.histograms.filter(([name, histogram]) => (!usedOnly || count(histogram) > 0) && matches(name))
      : [],
  };
}

/** Counters and gauges sorted by name, then histograms sorted by name. */
export function statsText(stats: StatsSnapshot, buckets: HistogramBuckets = 'summary'): string {
  const scalars = [...stats.counters, ...stats.gauges].sort(byName);
  const histograms = [...stats.histograms].sort(byName);
  let text = '';
  for (const [name, value] of scalars) text += `${name}: ${value}\n`;
  for (const [name, histogram] of histograms) text += `${name}: ${histogramText(histogram, buckets)}\n`;
  return text;
}

/** Envoy's JSON form: an array of `{name, value}`, whose last element holds the histograms. */
export function statsJson(stats: StatsSnapshot): unknown {
  const scalars = [...stats.counters, ...stats.gauges].sort(byName).map(([name, value]) => ({ name, value }));
  if (stats.histograms.length === 0) return { stats: scalars };
  const computed = [...stats.histograms].sort(byName).map(([name, histogram]) => ({
    name,
    values: QUANTILES.map((percent) => {
      const value = quantile(histogram, percent);
      return { cumulative: value ?? null, interval: value ?? null };
    }),
  }));
  return { stats: [...scalars, { histograms: { supported_quantiles: QUANTILES, computed_quantiles: computed } }] };
}

function histogramText(histogram: HistogramSnapshot, buckets: HistogramBuckets): string {
  if (count(histogram) === 0) return 'No recorded values';
  // Envoy prints (last interval, since the start); Limen counts since the start only, and prints that twice.
  if (buckets === 'summary' || buckets === 'none')
    return QUANTILES.map((percent) => {
      const value = quantile(histogram, percent);
      return `P${percent}(${value},${value})`;
    }).join(' ');
  let total = 0;
  return histogram.bounds
    .map((bound, index) => {
      const own = histogram.counts[index]!;
      total += own;
      const shown = buckets === 'cumulative' ? total : own;
      return `B${bound}(${shown},${shown})`;
    })
    .join(' ');
}

/** The value under which `percent` of the recorded values lie, spread evenly in their bucket; undefined without values. */
export function quantile(histogram: HistogramSnapshot, percent: number): number | undefined {
  const total = count(histogram);
  if (total === 0) return undefined;
  const rank = (percent / 100) * total;
  let below = 0;
  for (const [index, own] of histogram.counts.entries()) {
    if (own > 0 && below + own >= rank) {
      const lower = histogram.bounds[index - 1] ?? 0;
      // Above the last bound nothing is known but that it is above.
      const upper = histogram.bounds[index] ?? lower;
      return lower + ((upper - lower) * (rank - below)) / own;
    }
    below += own;
  }
  return histogram.bounds.at(-1);
}

function count(histogram: HistogramSnapshot): number {
  let total = 0;
  for (const own of histogram.counts) total += own;
  return total;
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
