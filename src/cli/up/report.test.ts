import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FileSource, watchFiles } from '../../sources/files.ts';
import { Store } from '../../store/store.ts';
import { ingressGatewayObjects } from '../../workloads/ingress-gateway.ts';
import { type Report, reportOn } from './report.ts';

const VIRTUAL_SERVICE = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop.io]
  gateways: [nowhere]
  http:
    - route:
        - destination: { host: shop }
`;
const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: shop }
spec: { ports: [{ port: 80 }] }
`;

/** A log whose lines can be waited for. */
function waitingLog() {
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const write = (line: string) => {
    lines.push((JSON.parse(line) as { msg: string }).msg);
    for (const wake of waiting.splice(0)) wake();
  };
  return {
    lines,
    log: pino({}, { write }),
    async line(expected: RegExp): Promise<string> {
      for (;;) {
        const found = lines.find((line) => expected.test(line));
        if (found !== undefined) return found;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}

describe('what cannot be served is logged', () => {
  let directory: string;
  let store: Store;
  let source: FileSource | undefined;
  let report: Report;
  let log: ReturnType<typeof waitingLog>;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'limen-report-'));
    store = new Store();
    for (const object of ingressGatewayObjects()) store.put(object);
    log = waitingLog();
    report = reportOn(store, () => source, log.log);
  });
  afterEach(async () => {
    report.close();
    await source?.close();
    source = undefined;
    rmSync(directory, { recursive: true });
  });

  async function watch(yaml: string): Promise<string> {
    const file = join(directory, 'shop.yaml');
    writeFileSync(file, yaml);
    source = await watchFiles([file], store, { log: pino({ level: 'silent' }) });
    return file;
  }

  it('with file and line, object, field and remedy, and again when it is resolved', async () => {
    const file = await watch(VIRTUAL_SERVICE);
    expect(await log.line(/gateways/)).toMatch(
      /shop\.yaml:6:14: VirtualService default\/shop: spec\.gateways\[0\]: Gateway default\/nowhere not found \(.*namespace\/name\)$/,
    );
    writeFileSync(file, `${VIRTUAL_SERVICE}---\n${SERVICE}`);
    await log.line(
      /^resolved: VirtualService default\/shop: spec\.http\[0\]\.route\[0\]\.destination\.host: service shop/,
    );
  });

  it('once, where the translation and the checks both find it: what happens by the one, what to do by the other', async () => {
    await watch(VIRTUAL_SERVICE);
    report.translated({}, [
      {
        object: { group: 'networking.istio.io', kind: 'VirtualService', namespace: 'default', name: 'shop' },
        field: 'spec.http[0].route[0].destination',
        message: 'requests are answered 503',
      },
    ]);
    expect(await log.line(/destination/)).toMatch(
      /shop\.yaml:9:32: VirtualService default\/shop: spec\.http\[0\]\.route\[0\]\.destination\.host: requests are answered 503 \(add a Service/,
    );
    expect(log.lines.filter((line) => line.includes('destination'))).toHaveLength(1);
  });
});
