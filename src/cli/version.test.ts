import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../test/golden/proxy-config/run.ts';
import { writeInstance } from './instance.ts';
import { VERSION } from './version.ts';

let home: string;
let admin: Server;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'limen-home-'));
  admin = createServer((_, response) =>
    response.end(JSON.stringify({ version: '9e5580/1.40.0/Clean/RELEASE/BoringSSL' })),
  );
  await new Promise<void>((ready) => admin.listen(0, '127.0.0.1', ready));
});
afterEach(async () => {
  rmSync(home, { recursive: true, force: true });
  admin.closeAllConnections();
  await new Promise((closed) => admin.close(closed));
});

const version = (...args: string[]) => run(['version', ...args], { LIMEN_HOME: home });
const up = () => {
  const at = `127.0.0.1:${(admin.address() as AddressInfo).port}`;
  const proxy = { workload: 'w', namespace: 'istio-system', nodeId: '', ip: '', published: [] };
  writeInstance(home, {
    pid: process.pid,
    startedAt: '',
    version: '0.0.9',
    xds: '',
    proxies: [
      { ...proxy, pod: 'a', admin: at },
      { ...proxy, pod: 'b', admin: at },
      { ...proxy, pod: 'c', admin: '127.0.0.1:1' },
    ],
  });
};

describe('limen version', () => {
  it('is the version of the package', async () => {
    const { version: expected } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(VERSION).toBe(expected);
    expect((await version()).stdout).toBe(`client version: ${expected}\n`);
    expect((await version('--short')).stdout).toBe(`client version: ${expected}\n`);
  });

  it('tells the control plane and the proxies where they run', async () => {
    up();
    expect((await version('-o', 'short')).stdout).toBe(
      `client version: ${VERSION}\ncontrol plane version: 0.0.9\ndata plane version: 1.40.0 (2 proxies), unreachable (1 proxies)\n`,
    );
  });

  it('as JSON and YAML has the fields of istioctl', async () => {
    up();
    const expected = {
      clientVersion: {
        version: VERSION,
        nodeVersion: process.versions.node,
        platform: `${process.platform}/${process.arch}`,
      },
      meshVersion: [{ Component: 'pilot', Info: { version: '0.0.9' } }],
      dataPlaneVersion: [
        { ID: 'a.istio-system', IstioVersion: '1.40.0' },
        { ID: 'b.istio-system', IstioVersion: '1.40.0' },
        { ID: 'c.istio-system', IstioVersion: 'unreachable' },
      ],
    };
    expect(JSON.parse((await version('-o', 'json')).stdout)).toEqual(expected);
    expect(parse((await version('-o', 'yaml')).stdout)).toEqual(expected);
  });

  it('says so where the home holds something else than an instance', async () => {
    writeFileSync(join(home, 'instance.json'), '{');
    expect((await version()).error).toContain('instance.json is not what "limen up" writes');
  });
});
