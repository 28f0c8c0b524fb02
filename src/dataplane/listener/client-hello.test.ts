import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inspectClientHello, MAX_CLIENT_HELLO_BYTES } from './client-hello.ts';

/** The first bytes that a real TLS client sends. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  client.on('error', () => {});
  const [socket] = (await once(server, 'connection')) as [Socket];
  let bytes = Buffer.alloc(0);
  while (inspectClientHello(bytes) === 'incomplete') {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
  }
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

describe('a ClientHello', () => {
  it('tells the server name in lower case and the protocols in the order of the client', async () => {
    const hello = await helloOf({ servername: 'WebApp.IstioInAction.io', ALPNProtocols: ['h2', 'http/1.1'] });
    expect(inspectClientHello(hello)).toEqual({ serverName: 'webapp.istioinaction.io', alpn: ['h2', 'http/1.1'] });
  });

  it('without SNI and ALPN has neither', async () => {
    expect(inspectClientHello(await helloOf({}))).toEqual({ serverName: '', alpn: [] });
  });

  it('of TLS 1.2 is read like one of TLS 1.3', async () => {
    const hello = await helloOf({ servername: 'a.test', maxVersion: 'TLSv1.2' });
    expect(inspectClientHello(hello)).toEqual({ serverName: 'a.test', alpn: [] });
  });

  it('is incomplete at every byte but the last', async () => {
    const hello = await helloOf({ servername: 'a.test' });
    for (let length = 0; length < hello.length; length += 1)
      expect(inspectClientHello(hello.subarray(0, length))).toBe('incomplete');
  });

  it('may be cut into several records', async () => {
    const hello = await helloOf({ servername: 'a.test' });
    const body = hello.subarray(5);
    const record = (part: Buffer) =>
      Buffer.concat([Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part]);
    const cut = Buffer.concat([record(body.subarray(0, 1)), record(body.subarray(1, 40)), record(body.subarray(40))]);
    expect(inspectClientHello(cut)).toEqual({ serverName: 'a.test', alpn: [] });
  });

  it('is not what plain HTTP begins with, however little of it is there', () => {
    expect(inspectClientHello(Buffer.from('G'))).toBe('not-tls');
    expect(inspectClientHello(Buffer.from('GET / HTTP/1.1\r\n'))).toBe('not-tls');
  });

  it('that announces more than the limit is refused before it has arrived', () => {
    const length = MAX_CLIENT_HELLO_BYTES + 1;
    const start = Buffer.from([22, 3, 1, 0x40, 0, 1, length >> 16, (length >> 8) & 255, length & 255]);
    expect(inspectClientHello(start)).toBe('not-tls');
  });

  it('with two server names is refused: two parsers could read different ones', async () => {
    const hello = await helloOf({ servername: 'a.test' });
    const at = hello.indexOf(Buffer.from('a.test'));
    const entry = hello.subarray(at - 3, at + 6);
    const doubled = Buffer.concat([hello.subarray(0, at + 6), entry, hello.subarray(at + 6)]);
    const grow = (offset: number, width: 2 | 3) =>
      doubled.writeUIntBE(doubled.readUIntBE(offset, width) + entry.length, offset, width);
    grow(3, 2);
    grow(6, 3);
    // The length of all extensions stands after random, session id, cipher suites and compression methods.
    let extensions = 9 + 34;
    extensions += 1 + doubled[extensions]!;
    extensions += 2 + doubled.readUInt16BE(extensions);
    extensions += 1 + doubled[extensions]!;
    grow(extensions, 2);
    grow(at - 7, 2);
    grow(at - 5, 2);
    expect(inspectClientHello(doubled)).toBe('not-tls');
  });

  it('changed in any byte never throws', async () => {
    const hello = await helloOf({ servername: 'a.test', ALPNProtocols: ['h2'] });
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.nat(255), fc.nat(hello.length), (index, value, length) => {
        const changed = Buffer.from(hello.subarray(0, length));
        if (index < length) changed[index] = value;
        inspectClientHello(changed);
      }),
      { numRuns: 2000 },
    );
  });
});
