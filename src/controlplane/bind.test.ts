import { create, fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../resources/object.ts';
import { Snapshot } from '../resources/snapshot.ts';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TypeUrl } from '../xds/resources.ts';
import { BIND_METADATA, type Bind, bindAddresses, bindMetadata, parseBind } from './bind.ts';
import { parseNode } from './node.ts';
import { createPushContext } from './push-context.ts';
import { translate } from './translate.ts';

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

describe('a listener', () => {
  const gateway: ResourceObject = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'Gateway',
    metadata: { name: 'gateway', namespace: 'default' },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
    },
  };
  const listenerOf = (bind: Bind | undefined) => {
    const node = create(NodeSchema, {
      id: 'router~127.1.2.3~gateway.istio-system~istio-system.svc.cluster.local',
      metadata: {
        LABELS: { istio: 'ingressgateway' },
        ...(bind === undefined ? {} : { [BIND_METADATA]: bindMetadata(bind) }),
      },
    });
    const { resources } = translate(createPushContext(Snapshot.of([gateway])), parseNode(node));
    const listener = resources.get(TypeUrl.Listener)?.get('0.0.0.0_8080');
    return fromBinary(ListenerSchema, listener?.any.value ?? new Uint8Array());
  };
  const socket = (address: string, portValue: number) => ({
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: portValue } } },
  });

  it('of a proxy that says nothing of this machine is on the pod’s addresses', () => {
    expect(listenerOf(undefined)).toMatchObject({ address: socket('0.0.0.0', 8080), additionalAddresses: [] });
  });

  it('of an Envoy on this machine is where that is to bind it, under the name and with the address it has in its pod', () => {
    expect(listenerOf(BIND)).toMatchObject({
      name: '0.0.0.0_8080',
      statPrefix: '0.0.0.0_8080',
      address: socket('127.1.2.3', 8080),
      additionalAddresses: [{ address: socket('127.0.0.1', 80) }, { address: socket('127.0.0.2', 8000) }],
      metadata: { filterMetadata: { 'limen.dev': { address: '0.0.0.0', port: 8080 } } },
      enableReusePort: false,
    });
  });

  it('of one of several pods of a Service lets the others bind its published ports too', () => {
    expect(listenerOf({ ...BIND, reusePort: true })).toMatchObject({ enableReusePort: true });
  });

  it('that no port of this machine leads to is not bound at all', () => {
    const bind: Bind = {
      address: undefined,
      publish: [{ address: '127.0.0.1', port: 443, listenerPort: 8443, only: false }],
    };
    expect(listenerOf(bind)).toMatchObject({ address: socket('0.0.0.0', 8080), bindToPort: false });
  });
});
