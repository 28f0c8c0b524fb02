// Kubernetes' streaming requests over WebSockets: commands by channel, and port forwarding as a SPDY session inside, or by channel.

import type { IncomingMessage } from 'node:http';
import { type Duplex, PassThrough, type Readable, Writable } from 'node:stream';
import { createWebSocketStream, type WebSocket, WebSocketServer } from 'ws';
import type { CommandStreams } from './command-session.ts';
import { type ConnectToPod, forwardPorts } from './port-forward.ts';
import { type CommandQuery, PORT_FORWARD_PROTOCOL } from './spdy-upgrade.ts';

/** The channels of a command: the first byte of each message. https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apimachinery/pkg/util/remotecommand/constants.go */
const Channel = { STDIN: 0, STDOUT: 1, STDERR: 2, ERROR: 3, RESIZE: 4, CLOSE: 255 } as const;
const COMMAND_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const TUNNEL_PROTOCOL = `SPDY/3.1+${PORT_FORWARD_PROTOCOL}`;
const PORT_CHANNELS_PROTOCOL = 'v4.channel.k8s.io';
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024;
/** kubectl keeps an idle shell open for hours: pings tell a client that sleeps from one that is gone. */
const PING_MS = 30_000;

/** Answers a WebSocket upgrade with the first protocol of ours the client offers; it is told when it offers none. */
function accept(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocols: readonly string[],
): Promise<WebSocket | undefined> {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(/\s*,\s*/).filter((name) => name !== '');
  const chosen = protocols.find((protocol) => offered.includes(protocol));
  if (chosen === undefined) {
    const text = `the client offers the protocols [${offered.join(' ')}], the server speaks [${protocols.join(' ')}]\n`;
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    return Promise.resolve(undefined);
  }
  const server = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, handleProtocols: () => chosen });
  return new Promise((resolve) => {
    socket.once('close', () => resolve(undefined));
    server.handleUpgrade(request, socket, head, (webSocket) => {
      keepAlive(webSocket);
      resolve(webSocket);
    });
  });
}

function keepAlive(webSocket: WebSocket): void {
  let isAlive = true;
  webSocket.on('pong', () => {
    isAlive = true;
  });
  webSocket.on('error', () => webSocket.terminate());
  const timer = setInterval(() => {
    if (!isAlive) return webSocket.terminate();
    isAlive = false;
    webSocket.ping();
  }, PING_MS);
  webSocket.once('close', () => clearInterval(timer));
}

/** Answers the upgrade for a command. Undefined when the client is not to be understood: it has been told then. */
export async function acceptCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  query: CommandQuery,
): Promise<CommandStreams | undefined> {
  const webSocket = await accept(request, socket, head, COMMAND_PROTOCOLS);
  if (webSocket === undefined) return undefined;
  const stdin = query.stdin ? new PassThrough() : undefined;
  const resize = query.tty ? new PassThrough() : undefined;
  webSocket.on('message', (data: Buffer, isBinary) => {
    const message = isBinary ? data : Buffer.from(data);
    const [channel] = message;
    if (channel === Channel.STDIN) takeIn(webSocket, stdin, message.subarray(1));
    else if (channel === Channel.RESIZE) resize?.write(message.subarray(1));
    else if (channel === Channel.CLOSE && message[1] === Channel.STDIN) stdin?.end();
  });
  const closed = new Promise<void>((resolve) => webSocket.once('close', resolve));
  void closed.then(() => stdin?.end());
  return {
    ...(stdin && { stdin }),
    ...(query.stdout && { stdout: channelWriter(webSocket, Channel.STDOUT) }),
    ...(query.stderr && !query.tty && { stderr: channelWriter(webSocket, Channel.STDERR) }),
    ...(resize && { resize }),
    closed,
    finish(status) {
      webSocket.send(onChannel(Channel.ERROR, Buffer.from(JSON.stringify(status))), () => webSocket.close(1000));
    },
  };
}

/** Answers the upgrade for port forwarding. Resolves when the client is gone. */
export async function acceptPortForward(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  ports: readonly number[],
  connect: ConnectToPod,
): Promise<void> {
  const webSocket = await accept(request, socket, head, [TUNNEL_PROTOCOL, PORT_CHANNELS_PROTOCOL]);
  if (webSocket === undefined) return;
  if (webSocket.protocol === TUNNEL_PROTOCOL) {
    await forwardPorts(createWebSocketStream(webSocket), Buffer.alloc(0), connect);
  } else {
    await forwardByChannel(webSocket, ports, connect);
  }
}

/** The port of the query at index n has the channels 2n (data) and 2n + 1 (errors); each first says its port, two bytes, little-endian. */
async function forwardByChannel(webSocket: WebSocket, ports: readonly number[], connect: ConnectToPod): Promise<void> {
  const closed = new Promise<void>((resolve) => webSocket.once('close', resolve));
  const inputs = ports.map((port, index) => {
    const input = new PassThrough();
    void serve(port, index, input);
    return input;
  });
  webSocket.on('message', (message: Buffer) => {
    const channel = message[0] ?? 1;
    if (channel % 2 === 0) takeIn(webSocket, inputs[channel / 2], message.subarray(1));
  });

  async function serve(port: number, index: number, input: Readable): Promise<void> {
    const number = Buffer.from([port & 0xff, port >>> 8]);
    for (const channel of [2 * index, 2 * index + 1]) webSocket.send(onChannel(channel, number));
    try {
      const upstream = await connect(port);
      const output = channelWriter(webSocket, 2 * index);
      for (const stream of [upstream, output]) stream.on('error', () => upstream.destroy());
      void closed.then(() => upstream.destroy());
      upstream.once('close', () => webSocket.close(1000));
      input.pipe(upstream).pipe(output);
    } catch (error) {
      const message = `error forwarding port ${port}: ${error instanceof Error ? error.message : String(error)}`;
      webSocket.send(onChannel(2 * index + 1, Buffer.from(message)), () => webSocket.close(1000));
    }
  }
  await closed;
}

/** Hands bytes on; while nobody takes them, the client has to wait. */
function takeIn(webSocket: WebSocket, input: PassThrough | undefined, bytes: Buffer): void {
  if (input === undefined || input.writableEnded || input.write(bytes)) return;
  webSocket.pause();
  input.once('drain', () => webSocket.resume());
}

function channelWriter(webSocket: WebSocket, channel: number): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (webSocket.readyState === webSocket.OPEN) webSocket.send(onChannel(channel, chunk), (error) => done(error));
      else done();
    },
  });
}

function onChannel(channel: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([channel]), bytes]);
}
