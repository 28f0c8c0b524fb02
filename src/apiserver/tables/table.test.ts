import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../../resources/object.ts';
import { ResourceRegistry } from '../resource-registry.ts';
import { humanDuration } from './duration.ts';
import { findAll, parseJsonPath } from './json-path.ts';
import { printerOf } from './table.ts';

const NOW = new Date('2026-01-01T01:00:00Z');
const registry = new ResourceRegistry();

/** The row of an object as `HEADING: cell`. */
function row(id: string, object: object): Record<string, unknown> {
  const printer = printerOf(registry.stored(id)!);
  const { metadata, ...content } = object as { metadata?: object };
  const whole = { metadata: { name: 'x', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata }, ...content };
  const cells = printer.cells(whole as ResourceObject, NOW);
  expect(cells.length).toBe(printer.columns.length);
  return Object.fromEntries(printer.columns.map(({ name }, index) => [name, cells[index]]));
}

describe('the table of', () => {
  it('pods says what a pod does, or why it does not', () => {
    const running = { ready: true, restartCount: 0, state: { running: {} } };
    const spec = { containers: [{ name: 'a' }, { name: 'b' }], nodeName: 'limen' };
    const ready = row('Pod', {
      spec,
      status: { phase: 'Running', podIPs: [{ ip: '127.1.2.3' }], containerStatuses: [running, running] },
    });
    expect(ready).toMatchObject({ Ready: '2/2', Status: 'Running', Restarts: '0', Age: '60m', IP: '127.1.2.3' });
    const waiting = {
      ready: false,
      restartCount: 3,
      state: { waiting: { reason: 'CrashLoopBackOff' } },
      lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:59:30Z' } },
    };
    expect(row('Pod', { spec, status: { phase: 'Running', containerStatuses: [waiting, running] } })).toMatchObject({
      Ready: '1/2',
      Status: 'CrashLoopBackOff',
      Restarts: '3 (30s ago)',
    });
    const preparing = (...initContainerStatuses: object[]) =>
      row('Pod', {
        spec: { ...spec, initContainers: [{ name: 'i' }, { name: 'j' }] },
        status: { phase: 'Pending', initContainerStatuses, containerStatuses: [waiting, waiting] },
      });
    const done = { name: 'i', restartCount: 2, state: { terminated: { exitCode: 0, reason: 'Completed' } } };
    const busy = { name: 'j', restartCount: 1, state: { running: {} } };
    expect(preparing(done, busy)).toMatchObject({ Ready: '0/2', Status: 'Init:1/2', Restarts: '3' });
    expect(preparing({ ...waiting, name: 'i' }, busy).Status).toBe('Init:CrashLoopBackOff');
    const failed = { ...done, state: { terminated: { exitCode: 3, reason: 'Error' } } };
    expect(preparing(failed, busy).Status).toBe('Init:Error');
    expect(preparing(done, done).Status).toBe('CrashLoopBackOff');
    const leaving = { metadata: { deletionTimestamp: '2026-01-01T00:59:59Z' }, spec, status: { phase: 'Running' } };
    expect(row('Pod', leaving)).toMatchObject({ Status: 'Terminating', IP: '<none>' });
  });

  it('Services has addresses and ports', () => {
    const ports = [
      { port: 80, nodePort: 31380, protocol: 'TCP' },
      { port: 53, protocol: 'UDP' },
    ];
    const balancer = { type: 'LoadBalancer', clusterIP: '10.96.1.1', ports };
    expect(row('Service', { spec: balancer })).toMatchObject({
      Type: 'LoadBalancer',
      'External-IP': '<pending>',
      'Port(s)': '80:31380/TCP,53/UDP',
    });
    const status = { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } };
    expect(row('Service', { spec: balancer, status })['External-IP']).toBe('127.0.0.1');
    expect(row('Service', { spec: { type: 'ExternalName', externalName: 'a.b' } })).toMatchObject({
      'Cluster-IP': '<none>',
      'External-IP': 'a.b',
    });
  });

  it("Istio's kinds has the columns of their definitions", () => {
    expect(row('VirtualService.networking.istio.io', { spec: { hosts: ['a'], gateways: ['g', 'mesh'] } })).toEqual({
      Name: 'x',
      Gateways: '["g","mesh"]',
      Hosts: '["a"]',
      Age: '60m',
    });
    expect(row('VirtualService.networking.istio.io', { spec: { hosts: ['a'] } }).Gateways).toBe(null);
    expect(row('Gateway.networking.istio.io', {})).toEqual({ Name: 'x', Age: '60m' }); // its definition has none
    const gateway = {
      status: { conditions: [{ type: 'Programmed', status: 'True' }], addresses: [{ value: '1.2.3.4' }] },
    };
    expect(row('Gateway.gateway.networking.k8s.io', gateway)).toMatchObject({ Programmed: 'True', Address: '1.2.3.4' });
  });

  it('Endpoints shows three addresses and how many more there are', () => {
    const addresses = ['1', '2', '3', '4', '5'].map((last) => ({ ip: `127.0.0.${last}` }));
    expect(row('Endpoints', { subsets: [{ addresses, ports: [{ port: 80 }] }] }).Endpoints).toBe(
      '127.0.0.1:80,127.0.0.2:80,127.0.0.3:80 + 2 more...',
    );
    expect(row('Endpoints', {}).Endpoints).toBe('<none>');
  });

  it('every kind has a cell for each column, of an object that says nothing', () => {
    for (const kind of registry.kinds) row(registry.find(kind.group, kind.versions[0], kind.plural)!.kindId, {});
  });
});

describe('ages', () => {
  it.each([
    [-5000, '<invalid>'],
    [-500, '0s'],
    [0, '0s'],
    [119_000, '119s'],
    [120_000, '2m'],
    [312_000, '5m12s'],
    [60 * 60_000, '60m'],
    [200 * 60_000, '3h20m'],
    [9 * 3_600_000, '9h'],
    [50 * 3_600_000, '2d2h'],
    [20 * 86_400_000, '20d'],
    [800 * 86_400_000, '2y70d'],
    [4000 * 86_400_000, '10y'],
  ])('of %i ms are %s', (milliseconds, text) => {
    expect(humanDuration(milliseconds)).toBe(text);
  });
});

describe('JSONPath', () => {
  const object = {
    a: {
      'b.c': [1, 2],
      d: [
        { type: 'x', v: 1 },
        { type: 'y', v: 2 },
      ],
    },
  };
  it.each([
    ['.a.d[0].v', [1]],
    ['.a.d[-1].v', [2]],
    ['.a.d[*].v', [1, 2]],
    ['.a.d[?(@.type=="y")].v', [2]],
    ['.a.d[?(@.type!="y")].v', [1]],
    [".a['b.c'][1]", [2]],
    ['.a.b\\.c', [[1, 2]]],
    ['.nothing.here', []],
    ['.constructor', []],
  ])('%s', (path, values) => {
    expect(findAll(object, parseJsonPath(path)!)).toEqual(values);
  });
  it('that is none is not understood', () => {
    expect(parseJsonPath('.a[')).toBeUndefined();
  });
});
