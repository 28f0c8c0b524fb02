// Statistics in Prometheus' text exposition format, as Envoy's /stats/prometheus prints them.
// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//
// An own writer, since the numbers are the proxy's own plain fields, merged from several workers at scrape time: a metrics library
// keeps a registry of its own, into which every series of every cluster would be copied at each scrape only to be printed once.

import type { HistogramSnapshot, StatsSnapshot } from './snapshot.ts';
import { extractTags } from './tags.ts';

/** The media type of the format. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** One metric family: the lines under one `# TYPE`. */
interface Family {
  readonly metric: string;
  readonly lines: string[];
}

/** Counters, then gauges, then histograms; each sorted by metric name, one `# TYPE` line a metric. */
export function prometheusText(stats: StatsSnapshot): string {
  const out: string[] = [];
  // A name may stand under one type only; a second type of the same name would make the whole scrape invalid.
  const taken = new Set<string>();
  writeFamilies(out, taken, 'counter', stats.counters, (family, labels, value) =>
    family.lines.push(`${family.metric}{${labels}} ${number(value)}`),
  );
  writeFamilies(out, taken, 'gauge', stats.gauges, (family, labels, value) =>
    family.lines.push(`${family.metric}{${labels}} ${number(value)}`),
  );
  writeFamilies(out, taken, 'histogram', stats.histograms, writeHistogram);
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

function writeFamilies<Value>(
  out: string[],
  taken: Set<string>,
  type: string,
  stats: readonly (readonly [string, Value])[],
  write: (family: Family, labels: string, value: Value) => void,
): void {
  const families = new Map<string, Family>();
  for (const [name, value] of [...stats].sort(byName)) {
    const tagged = extractTags(name);
    const metric = metricName(tagged.name);
    let family = families.get(metric);
    if (family === undefined) {
      family = { metric, lines: [] };
      families.set(metric, family);
    }
    write(family, tagged.labels.map(([label, text]) => `${label}="${labelValue(text)}"`).join(','), value);
  }
  for (const metric of [...families.keys()].sort()) {
    if (taken.has(metric)) continue;
    taken.add(metric);
    out.push(`# TYPE ${metric} ${type}`);
    for (const line of families.get(metric)!.lines) out.push(line);
  }
}

function writeHistogram({ metric, lines }: Family, labels: string, { bounds, counts, sum }: HistogramSnapshot): void {
  const before = labels === '' ? '' : `${labels},`;
  let total = 0;
  for (const [index, count] of counts.entries()) {
    total += count;
    lines.push(`${metric}_bucket{${before}le="${bounds[index] ?? '+Inf'}"} ${total}`);
  }
  lines.push(`${metric}_sum{${labels}} ${number(sum)}`, `${metric}_count{${labels}} ${total}`);
}

function byName(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

/** `envoy_` and the name, all but letters, digits and underscores replaced by underscores. */
function metricName(name: string): string {
  return `envoy_${name.replaceAll(/[^A-Za-z0-9_]/g, '_')}`;
}

/** Backslash, quote and newline are escaped; other control characters have no escape in the format and no place in a label. */
function labelValue(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('\n', '\\n')
    .replaceAll(/[\u0000-\u001f\u007f]/g, '_');
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
