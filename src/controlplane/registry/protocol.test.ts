import { describe, expect, it } from 'vitest';
import { parseProtocol, protocolOfPort } from './protocol.ts';

describe('the protocol of a port', () => {
  it.each([
    [{ name: 'http' }, 'HTTP'],
    [{ name: 'http-admin' }, 'HTTP'],
    [{ name: 'http2-x' }, 'HTTP2'],
    [{ name: 'grpc-web-x' }, 'GRPC-Web'],
    [{ name: 'grpc-x' }, 'GRPC'],
    [{ name: 'HTTPS' }, 'HTTPS'],
    [{ name: 'tcp-echo' }, 'TCP'],
    [{ name: 'web' }, 'unspecified'],
    [{}, 'unspecified'],
    [{ name: 'http', protocol: 'UDP' }, 'UDP'],
    [{ name: 'tcp', appProtocol: 'http' }, 'HTTP'],
    [{ name: 'x', appProtocol: 'kubernetes.io/h2c' }, 'HTTP2'],
  ])('%j is %s', (port, protocol) => {
    expect(protocolOfPort(port)).toBe(protocol);
  });

  it('is read in any case of letters', () => {
    expect(parseProtocol('http')).toBe(parseProtocol('HTTP'));
  });
});
