import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../../resources/object.ts';
import { Snapshot } from '../../resources/snapshot.ts';
import { createPushContext } from '../push-context.ts';
import { resolveHost } from './resolve-host.ts';

const service = (name: string, namespace: string): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 3000 }] },
});

const pod = (app: string, namespace: string, podIP: string, ready = 'True'): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: `${app}-${podIP}`, namespace, labels: { app } },
  status: { podIP, conditions: [{ type: 'Ready', status: ready }] },
});

const context = createPushContext(
  Snapshot.of([
    service('catalog', 'istioinaction'),
    pod('catalog', 'istioinaction', '127.0.0.10'),
    pod('catalog', 'istioinaction', '127.0.0.11', 'False'),
    service('catalog', 'other'),
    pod('catalog', 'other', '127.0.0.20'),
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'local', namespace: 'other' },
      spec: {
        hosts: ['local.example'],
        resolution: 'STATIC',
        ports: [{ number: 80, name: 'http' }],
        endpoints: [{ address: '::1', ports: { http: 8080 } }],
      },
    },
  ]),
);

describe('resolveHost', () => {
  it.each(['catalog', 'catalog.istioinaction', 'catalog.istioinaction.svc', 'catalog.istioinaction.svc.cluster.local'])(
    'finds the ready endpoints of %s',
    (host) => {
      expect(resolveHost(context, host, 80, 'istioinaction')).toEqual(['127.0.0.10:3000']);
    },
  );

  it('looks a short name up in the namespace of who asks', () => {
    expect(resolveHost(context, 'catalog', 80, 'other')).toEqual(['127.0.0.20:3000']);
    expect(resolveHost(context, 'catalog', 80, 'elsewhere')).toEqual([]);
  });

  it('finds the host of a ServiceEntry', () => {
    expect(resolveHost(context, 'local.example', 80, 'istioinaction')).toEqual(['[::1]:8080']);
  });

  it('finds nothing for a port or service that is not there', () => {
    expect(resolveHost(context, 'catalog', 81, 'istioinaction')).toEqual([]);
    expect(resolveHost(context, 'missing', 80, 'istioinaction')).toEqual([]);
  });
});
