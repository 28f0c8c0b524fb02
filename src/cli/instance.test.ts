import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  acquireHome,
  type Instance,
  limenHome,
  NotRunningError,
  readInstance,
  removeInstance,
  writeInstance,
} from './instance.ts';

let home: string;
beforeEach(() => {
  home = join(mkdtempSync(join(tmpdir(), 'limen-home-')), 'new', 'home');
});
afterEach(() => {
  rmSync(join(home, '..', '..'), { recursive: true, force: true });
});

const instance: Instance = {
  pid: process.pid,
  startedAt: '2026-01-02T03:04:05.678Z',
  version: '0.1.0',
  xds: '127.0.0.1:15010',
  proxies: [
    {
      workload: 'istio-ingressgateway',
      namespace: 'istio-system',
      pod: 'istio-ingressgateway-0',
      nodeId: 'router~127.1.0.1~istio-ingressgateway-0.istio-system~istio-system.svc.cluster.local',
      ip: '127.1.0.1',
      admin: '127.1.0.1:15000',
      published: [{ address: '127.0.0.1', port: 8080, servicePort: 80, portName: 'http2' }],
    },
  ],
};

/** Whether a process may have mounts of its own here: on Linux, mostly. */
const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;

/** The pid of a process that existed and is gone. */
const deadPid = () => spawnSync(process.execPath, ['-e', '']).pid;

describe('the home', () => {
  it('is the flag, else LIMEN_HOME, else ~/.limen, and always absolute', () => {
    expect(limenHome({ LIMEN_HOME: '/b' }, '/a')).toBe('/a');
    expect(limenHome({ LIMEN_HOME: 'b' })).toBe(join(process.cwd(), 'b'));
    expect(limenHome({ HOME: '/home/x' })).toBe('/home/x/.limen');
    expect(limenHome({ LIMEN_HOME: '', HOME: '' })).toBe(join(homedir(), '.limen'));
  });
});

describe('instance.json', () => {
  it('comes back as it was written', () => {
    writeInstance(home, instance);
    expect(readInstance(home)).toEqual(instance);
    writeInstance(home, { ...instance, xds: '127.0.0.1:1' });
    expect(readInstance(home).xds).toBe('127.0.0.1:1');
  });

  it('can be read by its owner only, and leaves nothing beside it', () => {
    writeInstance(home, instance);
    expect(statSync(join(home, 'instance.json')).mode & 0o777).toBe(0o600);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    expect(readdirSync(home)).toEqual(['instance.json']);
  });

  it('says what to do where nothing runs', () => {
    const message = `no Limen is running in ${home}: start one with "limen up"`;
    expect(() => readInstance(home)).toThrow(new NotRunningError(home));
    expect(new NotRunningError(home).message).toBe(message);
    writeInstance(home, instance);
    removeInstance(home);
    removeInstance(home);
    expect(() => readInstance(home)).toThrow(message);
  });

  it('of a process that is gone counts as nothing', () => {
    writeInstance(home, { ...instance, pid: deadPid() });
    expect(() => readInstance(home)).toThrow(NotRunningError);
  });

  it('of a crashed process whose number another one has now counts as nothing', () => {
    writeInstance(home, instance);
    writeFileSync(join(home, 'up.pid'), `${process.pid} 1\n`);
    expect(() => readInstance(home)).toThrow(NotRunningError);
  });

  it.each(['{"pid": 1', '[]', 'null', '{"pid": -1, "proxies": []}', '{"pid": 1}'])(
    'that holds %s is not Limen’s',
    (text) => {
      writeInstance(home, instance);
      const file = join(home, 'instance.json');
      writeFileSync(file, text);
      expect(() => readInstance(home)).toThrow(`${file} is not what "limen up" writes`);
    },
  );
});

describe('the lock on a home', () => {
  it('refuses a second one and names the process that has it', () => {
    const release = acquireHome(home);
    expect(() => acquireHome(home)).toThrow(`Limen already runs in ${home}: process ${process.pid}`);
    release();
    acquireHome(home)();
  });

  it('cannot be had where nothing can be written, and says why and what to do', () => {
    const file = join(home, '..', '..', 'file');
    writeFileSync(file, '');
    for (const place of [file, join(file, 'below')])
      expect(() => acquireHome(place)).toThrow(
        `the home ${place} can't be written to: there is a file of that name; choose another one (--home DIR)`,
      );
  });

  it.runIf(canMount)('cannot be had on a read-only file system, and says so', () => {
    const mounted = join(home, '..');
    mkdirSync(mounted, { recursive: true });
    const script = `
      const { acquireHome } = await import(${JSON.stringify(new URL('./instance.ts', import.meta.url).href)});
      try { acquireHome(${JSON.stringify(join(home, 'below'))}); } catch (error) { console.log(error.message); }`;
    const mount = 'mount -t tmpfs -o ro none "$0" && exec "$@"';
    const node = [process.execPath, '--input-type=module', '-e', script];
    const { stdout } = spawnSync('unshare', ['-rm', 'sh', '-c', mount, mounted, ...node], { encoding: 'utf8' });
    expect(stdout).toBe(
      `the home ${join(home, 'below')} can't be written to: read-only file system; choose another one (--home DIR)\n`,
    );
  });

  it('is gone when it is released, as often as one likes', () => {
    const release = acquireHome(home);
    release();
    release();
    expect(readdirSync(home)).toEqual([]);
  });

  it('of a process that is gone is taken over', () => {
    const release = acquireHome(home);
    release();
    writeFileSync(join(home, 'up.pid'), `${deadPid()}\n`);
    acquireHome(home)();
    expect(readdirSync(home)).toEqual([]);
  });

  it('of a process whose number another one has now is taken over', () => {
    acquireHome(home)();
    writeFileSync(join(home, 'up.pid'), `${process.pid} 1\n`);
    acquireHome(home)();
  });

  it('that holds nonsense is taken over', () => {
    acquireHome(home)();
    writeFileSync(join(home, 'up.pid'), 'x');
    acquireHome(home)();
  });

  it('is not taken from its new owner by an old one’s release', () => {
    const release = acquireHome(home);
    writeFileSync(join(home, 'up.pid'), '1\n');
    release();
    expect(readFileSync(join(home, 'up.pid'), 'utf8')).toBe('1\n');
  });

  it('goes to exactly one of many that start at once over a stale one', async () => {
    acquireHome(home)();
    writeFileSync(join(home, 'up.pid'), `${deadPid()}\n`);
    const script = `
      const { acquireHome } = await import(${JSON.stringify(new URL('./instance.ts', import.meta.url).href)});
      try { acquireHome(${JSON.stringify(home)}); console.log('won'); } catch (error) { console.log(error.message); }
      process.stdin.resume();`;
    const children = Array.from({ length: 5 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    const exits = children.map((child) => once(child, 'exit').then(() => 'ended without an answer'));
    const answers = await Promise.all(
      children.map((child, i) => Promise.race([once(child.stdout, 'data').then(String), exits[i]])),
    ).finally(() => {
      for (const child of children) child.kill('SIGKILL');
    });
    await Promise.all(exits);
    expect(answers.filter((answer) => answer === 'won\n')).toHaveLength(1);
    expect(answers.filter((answer) => answer?.startsWith('Limen already runs in'))).toHaveLength(4);
    expect(existsSync(join(home, 'up.pid'))).toBe(true);
  });
});
