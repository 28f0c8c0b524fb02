import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { describeWith } from '../../../test/walkthroughs/tools.ts';
import { type PodAccess, PodAccessError } from '../../resources/pod-access.ts';
import { servePodUpgrade } from './pod-upgrade.ts';

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default' },
  spec: { containers: [{ name: 'web', image: 'web' }] },
  status: { phase: 'Running' },
};
const PODS = { name: 'pods', singularName: 'pod', namespaced: true, kind: 'Pod', verbs: ['get'], shortNames: ['po'] };
const DOCUMENTS: Record<string, object> = {
  '/api': { kind: 'APIVersions', versions: ['v1'] },
  '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [] },
  '/api/v1': { kind: 'APIResourceList', groupVersion: 'v1', resources: [PODS] },
  '/api/v1/namespaces/default/pods/web': POD,
};

const sizes: [number, number][] = [];
let echoPort = 0;

/** Commands of the test's own: `cat` echoes, `fail N` ends with N, `no` can't be started. */
const access: PodAccess = {
  async exec({ pod, container }, [name, argument = '']) {
    if (name === 'no') throw new PodAccessError('BadRequest', `${pod} has no program "no" in container ${container}`);
    const stdin = new PassThrough();
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const exit = Promise.withResolvers<number>();
    if (name === 'cat') {
      stdin.pipe(stdout);
      stdout.once('end', () => exit.resolve(0));
      stderr.end();
    } else {
      stdout.end('said\n');
      stderr.end('complained\n');
      exit.resolve(Number(argument));
    }
    return {
      stdin,
      stdout,
      stderr,
      exit: exit.promise,
      resize: (columns, rows) => void sizes.push([columns, rows]),
      kill: () => exit.resolve(137),
    };
  },
  attach(container, terminal) {
    return access.exec(container, ['cat'], terminal);
  },
  async connect(_pod, port) {
    if (port !== 7) throw new PodAccessError('BadRequest', `nothing listens on port ${port} of the pod`);
    const socket = connect(echoPort, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  },
  logs: () => Promise.reject(new Error('not asked for here')),
};

let server: Server;
let echo: ReturnType<typeof createTcpServer>;
const serving = new Set<Promise<void>>();

beforeAll(async () => {
  echo = createTcpServer((socket) => socket.on('error', () => {}).pipe(socket));
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  echoPort = (echo.address() as AddressInfo).port;
  server = createServer((request, response) => {
    const document = DOCUMENTS[new URL(request.url ?? '', 'http://server').pathname];
    response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(document ?? { kind: 'Status', status: 'Failure', code: 404 }));
  });
  server.on('upgrade', (request, socket, head) => {
    const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://server');
    const subresource = pathname.split('/').at(-1) as 'exec';
    const served = servePodUpgrade(
      { namespace: 'default', pod: 'web', subresource, query },
      request,
      socket,
      head,
      access,
    );
    serving.add(served);
    void served.then(() => serving.delete(served));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  echo.close();
  await Promise.all(serving);
});

const address = () => `127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Runs kubectl against the server. */
async function kubectl(args: string[], input = '', webSockets = true) {
  const flag = String(webSockets);
  const child = spawn('kubectl', ['--server', `http://${address()}`, '--cache-dir=/nonexistent', ...args], {
    env: {
      PATH: process.env.PATH,
      KUBECONFIG: '/dev/null',
      KUBECTL_REMOTE_COMMAND_WEBSOCKETS: flag,
      KUBECTL_PORT_FORWARD_WEBSOCKETS: flag,
    },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (output.stdout += chunk));
  child.stderr.on('data', (chunk) => (output.stderr += chunk));
  child.stdin.on('error', () => {}).end(input);
  const [code] = await once(child, 'close');
  return { code: code as number, ...output };
}

describeWith(['kubectl'], 'kubectl', () => {
  describe.each([
    ['WebSockets', true],
    ['SPDY', false],
  ])('by %s', (_, webSockets) => {
    it('runs a command and has its output apart and its exit code', async () => {
      expect(await kubectl(['exec', 'web', '--', 'fail', '3'], '', webSockets)).toMatchObject({
        code: 3,
        stdout: 'said\n',
        stderr: expect.stringContaining('complained\n'),
      });
      expect(await kubectl(['exec', 'web', '--', 'fail', '0'], '', webSockets)).toMatchObject({
        code: 0,
        stdout: 'said\n',
      });
    });

    it('sends what it reads', async () => {
      const text = 'a line that comes back\n'.repeat(40_000);
      const { code, stdout } = await kubectl(['exec', '-i', 'web', '--', 'cat'], text, webSockets);
      expect(code).toBe(0);
      expect(stdout === text).toBe(true);
    });

    it('is told why a command does not start', async () => {
      const { code, stderr } = await kubectl(['exec', 'web', '-c', 'web', '--', 'no'], '', webSockets);
      expect(code).toBe(1);
      expect(stderr).toContain('web has no program "no" in container web');
    });

    it('attaches', async () => {
      expect(await kubectl(['attach', '-i', 'web'], 'hello\n', webSockets)).toMatchObject({ stdout: 'hello\n' });
    });

    it('forwards a port, for several connections at once, and is told of ports that do not answer', async () => {
      const flag = String(webSockets);
      const child = spawn(
        'kubectl',
        ['--server', `http://${address()}`, '--cache-dir=/nonexistent', 'port-forward', 'pod/web', ':7', ':8'],
        {
          env: { PATH: process.env.PATH, KUBECONFIG: '/dev/null', KUBECTL_PORT_FORWARD_WEBSOCKETS: flag },
        },
      );
      let output = '';
      child.stdout.on('data', (chunk) => (output += chunk));
      child.stderr.on('data', (chunk) => (output += chunk));
      const portOf = (target: number) => Number(new RegExp(`127.0.0.1:(\\d+) -> ${target}\n`).exec(output)?.[1]);
      try {
        await expect.poll(() => portOf(8), { timeout: 20_000 }).toBeGreaterThan(0);
        const sockets = [1, 2, 3].map(() => connect(portOf(7), '127.0.0.1'));
        const texts = await Promise.all(
          sockets.map(async (socket, index) => {
            const text = `${index}`.repeat(300_000);
            socket.end(text);
            let back = '';
            for await (const chunk of socket) back += chunk;
            return back === text;
          }),
        );
        expect(texts).toEqual([true, true, true]);
        const refused = connect(portOf(8), '127.0.0.1');
        refused.on('error', () => {});
        refused.write('x');
        await expect.poll(() => output, { timeout: 20_000 }).toContain('nothing listens on port 8 of the pod');
        refused.destroy();
      } finally {
        child.kill();
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }
    });
  });
});

describe('a WebSocket', () => {
  const open = async (path: string, protocols: string[]) => {
    const socket = new WebSocket(`ws://${address()}/api/v1/namespaces/default/pods/web/${path}`, protocols);
    const messages: Buffer[] = [];
    socket.on('message', (message: Buffer) => void messages.push(message));
    await once(socket, 'open');
    return { socket, messages };
  };

  it('of version 5 can end the input of a command', async () => {
    const { socket, messages } = await open('exec?command=cat&stdin=true&stdout=true', ['v5.channel.k8s.io']);
    socket.send(Buffer.from([0, ...Buffer.from('hello')]));
    socket.send(Buffer.from([255, 0]));
    await once(socket, 'close');
    expect(messages.map(([channel, ...text]) => [channel, Buffer.from(text).toString()])).toEqual([
      [1, 'hello'],
      [3, '{"metadata":{},"status":"Success"}'],
    ]);
  });

  it('tells the size of its terminal', async () => {
    const { socket } = await open('exec?command=cat&stdin=true&stdout=true&tty=true', ['v5.channel.k8s.io']);
    socket.send(Buffer.from([4, ...Buffer.from('{"Width":80,"Height":24}')]));
    socket.send(Buffer.from([4, ...Buffer.from('{"Width":"wide"}')]));
    await expect.poll(() => sizes).toEqual([[80, 24]]);
    socket.close();
    await once(socket, 'close');
  });

  it('forwards ports by channel', async () => {
    const { socket, messages } = await open('portforward?ports=7', ['v4.channel.k8s.io']);
    socket.send(Buffer.from([0, ...Buffer.from('ping')]));
    await expect.poll(() => messages.length).toBe(3);
    expect(messages.map((message) => [...message])).toEqual([
      [0, 7, 0],
      [1, 7, 0],
      [0, ...Buffer.from('ping')],
    ]);
    socket.close();
    await once(socket, 'close');
  });

  it('that offers no protocol of ours is told which there are', async () => {
    const socket = new WebSocket(`ws://${address()}/x/exec?command=cat`, ['chat']);
    const [, response] = await once(socket, 'unexpected-response');
    expect(response.statusCode).toBe(400);
    socket.on('error', () => {}).terminate();
  });
});

describe('a SPDY upgrade', () => {
  const upgrade = (headers: Record<string, string>) =>
    get(`http://${address()}/x/portforward`, { headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', ...headers } });

  it('with no protocol of ours is refused', async () => {
    const [response] = await once(upgrade({ 'x-stream-protocol-version': 'v9.channel.k8s.io' }), 'response');
    expect([response.statusCode, response.headers['x-accepted-stream-protocol-versions']]).toEqual([
      403,
      'portforward.k8s.io',
    ]);
    response.resume();
  });

  it.each([
    ['bytes that are no SPDY', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a frame of 16 MiB', Buffer.from([0, 0, 0, 1, 0, 0xff, 0xff, 0xff])],
    [
      'a header block that is not compressed',
      Buffer.from([0x80, 3, 0, 1, 0, 0, 0, 14, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
    ],
    ['a frame that is too short for its type', Buffer.from([0x80, 3, 0, 1, 0, 0, 0, 2, 0, 0])],
  ])('followed by %s ends the connection', async (_, bytes) => {
    const [, socket] = await once(upgrade({ 'x-stream-protocol-version': 'portforward.k8s.io' }), 'upgrade');
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
    expect(socket.destroyed).toBe(true);
  });
});
