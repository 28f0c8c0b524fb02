import { describe, expect, it } from 'vitest';
import type { ResourceObject } from '../../resources/object.ts';
import { Snapshot } from '../../resources/snapshot.ts';
import { createPushContext } from '../push-context.ts';
import { findService } from './find-service.ts';

const service = (name: string, namespace: string): ResourceObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace },
  spec: { ports: [{ name: 'http', port: 80 }] },
});

const context = createPushContext(
  Snapshot.of([
    service('catalog', 'istioinaction'),
    service('catalog', 'other'),
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'local', namespace: 'other' },
      spec: { hosts: ['local.example'], resolution: 'STATIC', ports: [{ number: 80, name: 'http' }] },
    },
  ]),
);
const found = (host: string, namespace: string) => findService(context, host, namespace)?.hostname;

describe('findService', () => {
  it.each(['catalog', 'catalog.istioinaction', 'catalog.istioinaction.svc', 'catalog.istioinaction.svc.cluster.local'])(
    'finds the service behind %s',
    (host) => {
      expect(found(host, 'istioinaction')).toBe('catalog.istioinaction.svc.cluster.local');
    },
  );

  it('looks a short name up in the namespace of who asks', () => {
    expect(found('catalog', 'other')).toBe('catalog.other.svc.cluster.local');
    expect(found('catalog', 'elsewhere')).toBeUndefined();
  });

  it('finds the host of a ServiceEntry, and nothing for what is not there', () => {
    expect(found('local.example', 'istioinaction')).toBe('local.example');
    expect(found('missing', 'istioinaction')).toBeUndefined();
  });
});
