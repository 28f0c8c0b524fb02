// The proxy's own numbers: plain fields that the hot path increments, named as Envoy names them, collected when someone asks.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/statistics

/** Only ever grows. The hot path holds the object and writes `counter.value += 1`. */
export interface Counter {
  value: number;
}

/** Goes up and down. */
export interface Gauge {
  value: number;
}

/** Counts of values by bucket. */
export interface Histogram {
  /** Upper bounds of the buckets, ascending; the last bucket has none. */
  readonly bounds: readonly number[];
  /** One more than `bounds`. */
  readonly counts: number[];
  sum: number;
}

/** Envoy's default histogram buckets, milliseconds. */
const DEFAULT_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000,
];

/** All counters, gauges and histograms of one worker, by Envoy's dotted name (`cluster.<name>.upstream_rq_total`). */
export class Stats {
  readonly counters = new Map<string, Counter>();
  readonly gauges = new Map<string, Gauge>();
  readonly histograms = new Map<string, Histogram>();

  /** The counter of that name, made at its first use. Look it up when configuration arrives, not per request. */
  counter(name: string): Counter {
    let counter = this.counters.get(name);
    if (counter === undefined) {
      counter = { value: 0 };
      this.counters.set(name, counter);
    }
    return counter;
  }

  /** The gauge of that name, made at its first use. */
  gauge(name: string): Gauge {
    let gauge = this.gauges.get(name);
    if (gauge === undefined) {
      gauge = { value: 0 };
      this.gauges.set(name, gauge);
    }
    return gauge;
  }

  /** The histogram of that name, made at its first use. */
  histogram(name: string): Histogram {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      histogram = { bounds: DEFAULT_BOUNDS, counts: new Array(DEFAULT_BOUNDS.length + 1).fill(0), sum: 0 };
      this.histograms.set(name, histogram);
    }
    return histogram;
  }
}

/** Adds one value (in the histogram's unit). */
export function record(histogram: Histogram, value: number): void {
  let bucket = 0;
  while (bucket < histogram.bounds.length && value > histogram.bounds[bucket]!) bucket += 1;
  histogram.counts[bucket]! += 1;
  histogram.sum += value;
}
