// How responses are framed and written. RFC 9112 section 6.3; HEAD as Envoy answers it.

import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { HeaderList } from './header-list.ts';
import { Framing, ResponseWriter, responseFraming } from './response-writer.ts';

const headers = (...fields: string[]): HeaderList => {
  const list = new HeaderList();
  list.fields.push(...fields);
  return list;
};

describe('the framing of a response', () => {
  const { Told, Empty, Chunked, ChunkedHead, UntilClose } = Framing;
  it.each([
    ['with content-length is that', 200, true, false, 1, false, Told],
    ['without it is chunked', 200, false, false, 1, false, Chunked],
    ['without it to HTTP/1.0 lasts until the connection closes', 200, false, false, 0, false, UntilClose],
    ['without body is content-length: 0', 200, false, true, 1, false, Empty],
    ['without body to HEAD is marked as chunked', 200, false, true, 1, true, ChunkedHead],
    ['without body to HEAD over HTTP/1.0 is not marked', 200, false, true, 0, true, Told],
    ['204 is none', 204, false, true, 1, false, Told],
    ['304 is none', 304, false, true, 1, false, Told],
    ['304 to HEAD is none', 304, false, true, 1, true, Told],
  ])('%s', (_what, status, hasLength, ended, minorVersion, toHead, framing) => {
    expect(responseFraming(status, hasLength, ended, minorVersion, toHead)).toBe(framing);
  });
});

describe('the writer', () => {
  function written(write: (writer: ResponseWriter) => void): string[] {
    const socket = new PassThrough();
    const writes: string[] = [];
    socket.on('data', (bytes: Buffer) => writes.push(bytes.toString('latin1')));
    write(new ResponseWriter(socket));
    socket.read();
    return writes;
  }

  it('puts head and body of a small response into one write', () => {
    expect(
      written((writer) => {
        writer.writeHead(200, headers('content-length', '5'), false, false);
        writer.writeBody(Buffer.from('hello'));
        writer.writeEnd(undefined);
      }),
    ).toEqual(['HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello']);
  });

  it('writes connection: close before the framing, as Envoy does', () => {
    const text = written((writer) => {
      expect(writer.writeHead(200, headers('a', 'b'), false, true)).toBe(true);
      writer.writeBody(Buffer.from('hello'));
      writer.writeEnd(headers('t', 'u'));
    }).join('');
    expect(text).toBe(
      'HTTP/1.1 200 OK\r\na: b\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nt: u\r\n\r\n',
    );
  });

  it('frames large chunks alike', () => {
    const large = 'x'.repeat(20_000);
    const text = written((writer) => {
      writer.writeHead(200, headers(), false, false);
      writer.writeBody(Buffer.from(large));
      writer.writeBody(Buffer.from('y'));
      writer.writeEnd(undefined);
    }).join('');
    expect(text).toBe(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4e20\r\n${large}\r\n1\r\ny\r\n0\r\n\r\n`);
  });

  it('says so when an HTTP/1.0 response lasts until the connection closes', () => {
    const text = written((writer) => {
      writer.begin(0, false);
      expect(writer.writeHead(200, headers(), false, false)).toBe(true);
      writer.writeEnd(undefined);
    }).join('');
    expect(text).toBe('HTTP/1.0 200 OK\r\nconnection: close\r\n\r\n');
  });

  it.each([
    [1, ['HTTP/1.1 103 Unknown\r\nlink: </x>\r\n\r\n']],
    [0, []],
  ])('sends an interim response to HTTP/1.%i: %j', (minorVersion, expected) => {
    expect(
      written((writer) => {
        writer.begin(minorVersion, false);
        writer.writeInformational(103, headers('link', '</x>'));
      }),
    ).toEqual(expected);
  });

  it('writes a configured body in UTF-8', () => {
    const [text] = written((writer) => writer.writeWhole(200, headers('content-length', '2'), 'é', false));
    expect(text).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${Buffer.from('é').toString('latin1')}`);
  });
});
