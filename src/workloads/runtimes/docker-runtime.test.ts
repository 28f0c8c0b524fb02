import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deployment, TestCluster } from '../test-cluster.ts';
import { dockerRuntime } from './docker-runtime.ts';

let cluster: TestCluster;
let directory: string;
let docker: string;

/** In place of Docker: notes how it was called, and has no image but `known`. The engine answers where ENGINE is set. */
const FAKE = `#!/bin/sh
echo "$@" >> "$CALLS"
case "$1" in
  version) [ -n "$ENGINE" ] && echo 27.0 && exit 0; echo "Cannot connect to the Docker daemon" >&2; exit 1 ;;
  image) [ "$3" = known ] ;;
  pull) echo "Error response from daemon: manifest for $3 not found" >&2; exit 1 ;;
  run) echo "GREETING is $GREETING"; exec sleep 600 ;;
  exec) shift 3; exec "$@" ;;
  *) exit 0 ;;
esac
`;

beforeEach(async () => {
  cluster = await TestCluster.create();
  directory = mkdtempSync(join(tmpdir(), 'limen-docker-'));
  docker = join(directory, 'docker');
  writeFileSync(docker, FAKE);
  chmodSync(docker, 0o755);
});
afterEach(async () => {
  await cluster.close();
  rmSync(directory, { recursive: true, force: true });
});

const run = (engine: string) =>
  cluster.run({
    runtimes: [dockerRuntime(docker, { PATH: process.env.PATH, CALLS: join(directory, 'calls'), ENGINE: engine })],
  });
const calls = () => readFileSync(join(directory, 'calls'), 'utf8').trim().split('\n');
const container = () => cluster.pods()[0]?.status?.containerStatuses?.[0];
const textOf = async (stream: AsyncIterable<Buffer>) => Buffer.concat(await Array.fromAsync(stream)).toString();

describe('an image that Docker runs', () => {
  it('is published on the pod’s address, with its environment, command and arguments', async () => {
    run('yes');
    cluster.store.put(
      deployment({
        image: 'known',
        port: 0,
        env: { GREETING: 'hello' },
        container: { command: ['serve', '--it'], args: ['$(GREETING)'], workingDir: '/srv' },
      }),
    );
    await cluster.settle();
    expect(container()).toMatchObject({ ready: true, containerID: expect.stringMatching(/^docker:\/\//) });
    const call = calls().find((line) => line.startsWith('run ')) ?? '';
    expect(call).toMatch(/ --env GREETING .*--workdir \/srv --entrypoint serve known --it hello$/);
    const pod = { namespace: 'default', pod: cluster.pods()[0]?.metadata.name ?? '' };
    const { access } = cluster.run();
    await expect
      .poll(async () => textOf(await access.logs(pod, { follow: false, previous: false, timestamps: false })))
      .toBe('GREETING is hello\n');
    const shell = await access.exec(pod, ['echo', 'inside'], false);
    expect(await textOf(shell.stdout)).toBe('inside\n');
  });

  it('is removed when its pod goes', async () => {
    run('yes');
    cluster.store.put(deployment({ image: 'known', port: 0 }));
    await cluster.settle();
    const runs = () => calls().find((line) => line.startsWith('run ')) ?? '';
    await cluster.until(() => runs() !== ''); // a container without ports is ready as soon as its process is there
    const name = / --name (\S+)/.exec(runs())?.[1];
    cluster.store.delete({ group: 'apps', kind: 'Deployment', namespace: 'default', name: 'app' });
    await cluster.until(() => cluster.store.snapshot.list('Pod').length === 0);
    expect(calls().slice(-2)).toEqual([`stop --time 30 ${name}`, `rm -f ${name}`]);
  });

  it('and cannot be pulled is an ErrImagePull with what Docker says', async () => {
    run('yes');
    cluster.store.put(deployment({ image: 'example.com/none:1' }));
    await cluster.until(() => container()?.state?.waiting?.reason === 'ErrImagePull');
    expect(container()?.state?.waiting?.message).toContain('manifest for example.com/none:1 not found');
  });

  it('is unknown where no engine answers, which is not asked each time', async () => {
    run('');
    cluster.store.put(deployment({ image: 'known' }));
    await cluster.until(() => container()?.state?.waiting?.reason === 'ImagePullBackOff');
    expect(container()?.state?.waiting?.message).toContain('no Docker engine answers');
    expect(calls()).toEqual(['version --format {{.Server.Version}}']);
  });
});
