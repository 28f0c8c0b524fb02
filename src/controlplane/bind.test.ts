import { describe, expect, it } from 'vitest';
import { type Bind, bindAddresses, bindMetadata, parseBind } from './bind.ts';

const BIND: Bind = {
  address: '127.1.2.3',
  publish: [
    { address: '127.0.0.1', port: 80, listenerPort: 8080, only: false },
    { address: '127.0.0.2', port: 8000, listenerPort: 8080, only: false },
    { address: '127.0.0.1', port: 443, listenerPort: 8443, only: true },
  ],
};

describe('the addresses of a listener on this machine', () => {
  it('are its port on the pod’s address, then the published ports', () => {
    expect(bindAddresses({ address: '0.0.0.0', port: 8080 }, BIND)).toEqual([
      { address: '127.1.2.3', port: 8080 },
      { address: '127.0.0.1', port: 80 },
      { address: '127.0.0.2', port: 8000 },
    ]);
  });

  it('are the pod’s alone where nothing is published', () => {
    expect(bindAddresses({ address: '::', port: 7070 }, BIND)).toEqual([{ address: '127.1.2.3', port: 7070 }]);
  });

  it('are the published ports alone where the pod’s is another process’s', () => {
    expect(bindAddresses({ address: '0.0.0.0', port: 8443 }, BIND)).toEqual([{ address: '127.0.0.1', port: 443 }]);
  });

  it('begin with the one address that the Gateway asks for', () => {
    expect(bindAddresses({ address: '127.9.9.9', port: 8080 }, BIND)[0]).toEqual({ address: '127.9.9.9', port: 8080 });
  });

  it('are none where a pod without an address publishes nothing for it', () => {
    expect(bindAddresses({ address: '0.0.0.0', port: 7070 }, { ...BIND, address: undefined })).toEqual([]);
  });
});

describe('bind rules in a node’s metadata', () => {
  it('are read as they are written', () => {
    expect(parseBind(bindMetadata(BIND))).toEqual(BIND);
  });

  it('are none where nothing is said', () => {
    expect(parseBind(undefined)).toBeUndefined();
    expect(parseBind({ publish: [] })).toBeUndefined();
  });

  it.each([
    ['text', 'expected an object'],
    [{ address: 1 }, 'address: expected an IP address'],
    [{ publish: {} }, 'publish: expected a list'],
    [{ publish: [{ address: '127.0.0.1', port: 0, listenerPort: 8080 }] }, 'publish[0]: expected'],
    [{ publish: ['80:8080'] }, 'publish[0]: expected'],
  ])('that are none of ours (%j) are refused with the reason', (value, reason) => {
    expect(() => parseBind(value)).toThrow(`node metadata LIMEN_BIND: ${reason}`);
  });
});
