import { create, fromBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../resources/object.ts';
import { Snapshot } from '../resources/snapshot.ts';
import { NodeSchema } from '../xds/gen/envoy/config/core/v3/base_pb.js';
import { ListenerSchema } from '../xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TypeUrl } from '../xds/resources.ts';
import { BIND_METADATA, type Bind, bindMetadata, ownAddress, parseBind } from './bind.ts';
import { parseNode } from './node.ts';
import { createPushContext } from './push-context.ts';
import { translate } from './translate.ts';

const BIND: Bind = {
  address: '127.1.2.3',
  taken: [8443],
  publish: [
    { address: '127.0.0.1', port: 80, listenerPort: 8080 },
    { address: '127.0.0.2', port: 8000, listenerPort: 8080 },
    { address: '127.0.0.1', port: 443, listenerPort: 8443 },
  ],
  reusePort: false,
};

describe('the address of a listener on this machine', () => {
  it.each(['0.0.0.0', '::'])('is its port on the pod’s address (%s)', (address) => {
    expect(ownAddress({ address, port: 8080 }, BIND)).toEqual({ address: '127.1.2.3', port: 8080 });
  });

  it('is none where the pod’s is another process’s', () => {
    expect(ownAddress({ address: '0.0.0.0', port: 8443 }, BIND)).toBeUndefined();
  });

  it('is the one that the Gateway asks for', () => {
    expect(ownAddress({ address: '127.9.9.9', port: 8080 }, BIND)).toEqual({ address: '127.9.9.9', port: 8080 });
  });
});

describe('bind rules in a node’s metadata', () => {
  it.each([BIND, { ...BIND, taken: [], reusePort: true }])(
    'are read as they are written, and publish nothing by themselves',
    (bind) => {
      expect(parseBind(bindMetadata(bind))).toEqual({ ...bind, publish: [] });
    },
  );

  it('are none where nothing is said', () => {
    expect(parseBind(undefined)).toBeUndefined();
  });

  it.each([
    ['text', 'expected an object'],
    [{}, 'address: expected an IP address'],
    [{ address: 1 }, 'address: expected an IP address'],
    [{ address: '127.1.2.3', taken: 8080 }, 'taken: expected a list'],
    [{ address: '127.1.2.3', taken: [0] }, 'taken: expected a list of ports'],
    [{ address: '127.1.2.3', reusePort: 1 }, 'reusePort: expected true or false'],
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
  const listenersOf = (bind: Bind | undefined) => {
    const node = create(NodeSchema, {
      id: 'router~127.1.2.3~gateway.istio-system~istio-system.svc.cluster.local',
      metadata: {
        LABELS: { istio: 'ingressgateway' },
        ...(bind === undefined ? {} : { [BIND_METADATA]: bindMetadata(bind) }),
      },
    });
    const proxy = parseNode(node);
    const { resources } = translate(createPushContext(Snapshot.of([gateway])), { ...proxy, bind });
    return [...(resources.get(TypeUrl.Listener)?.values() ?? [])].map(({ any }) =>
      fromBinary(ListenerSchema, any.value),
    );
  };
  const socket = (address: string, portValue: number) => ({
    address: { case: 'socketAddress', value: { address, portSpecifier: { case: 'portValue', value: portValue } } },
  });

  it('of a proxy that says nothing of this machine is on the pod’s addresses', () => {
    expect(listenersOf(undefined)).toMatchObject([
      { name: '0.0.0.0_8080', address: socket('0.0.0.0', 8080), additionalAddresses: [] },
    ]);
  });

  it('of an Envoy on this machine is where that is to bind it, with the address it has in its pod, and once more for each published port', () => {
    const inPod = { address: '0.0.0.0', port: 8080 };
    const all = listenersOf(BIND);
    expect(all).toMatchObject([
      {
        name: '0.0.0.0_8080',
        address: socket('127.1.2.3', 8080),
        metadata: { filterMetadata: { 'limen.dev': inPod } },
      },
      {
        name: '127.0.0.1_80/0.0.0.0_8080',
        address: socket('127.0.0.1', 80),
        metadata: { filterMetadata: { 'limen.dev': { ...inPod, published: true } } },
      },
      {
        name: '127.0.0.2_8000/0.0.0.0_8080',
        address: socket('127.0.0.2', 8000),
        metadata: { filterMetadata: { 'limen.dev': { ...inPod, published: true } } },
      },
    ]);
    for (const listener of all) {
      expect(listener).toMatchObject({ statPrefix: '0.0.0.0_8080', enableReusePort: false });
      expect(listener.filterChains).toEqual(all[0]?.filterChains);
    }
  });

  it('stays as it is when a port of another one is published', () => {
    const more = [...BIND.publish, { address: '127.0.0.1', port: 30080, listenerPort: 8080 }];
    expect(listenersOf({ ...BIND, publish: more }).slice(0, 3)).toEqual(listenersOf(BIND));
  });

  it('of one of several pods of a Service lets the others bind its published ports too', () => {
    for (const listener of listenersOf({ ...BIND, reusePort: true }))
      expect(listener).toMatchObject({ enableReusePort: true });
  });

  it('whose port in the pod is another process’s is bound on its published ports alone', () => {
    const [itself, published] = listenersOf({ ...BIND, taken: [8080] });
    expect(itself).toMatchObject({ name: '0.0.0.0_8080', address: socket('0.0.0.0', 8080), bindToPort: false });
    expect(published).toMatchObject({ address: socket('127.0.0.1', 80) });
    expect(published?.bindToPort).toBeUndefined();
  });
});
