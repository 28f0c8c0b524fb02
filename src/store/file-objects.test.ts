import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trackUpdate } from '../resources/managed-fields/field-managers.ts';
import { applyFileObject } from '../resources/managed-fields/file-objects.ts';
import type { ResourceObject } from '../resources/object.ts';
import { UNDESCRIBED } from '../resources/openapi/field-type.ts';
import { openStore } from './open.ts';
import { Store } from './store.ts';

type Data = Readonly<Record<string, string>>;
type ConfigMap = ResourceObject & { data?: Data };

const clock = () => new Date('2026-01-01T00:00:00Z');
const create = () => new Store({ clock, merge: applyFileObject(clock) });
const map = (data: Data): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'it', namespace: 'default' },
  data,
});
const live = (store: Store) => store.snapshot.getOf('ConfigMap', 'default', 'it') as ConfigMap | undefined;
const managers = (store: Store) =>
  live(store)?.metadata.managedFields?.map(({ manager, operation, fieldsV1 }) => ({ manager, operation, fieldsV1 }));

/** A write through the API: these keys get these values, undefined takes them away. */
function edit(store: Store, changes: Record<string, string | undefined>): void {
  const before = live(store);
  const data = Object.fromEntries(
    Object.entries({ ...before?.data, ...changes }).filter(([, value]) => value !== undefined),
  );
  const after = { ...(before ?? map({})), data } as ConfigMap;
  store.put(
    trackUpdate(before, after, UNDESCRIBED, { manager: 'kubectl-edit', subresource: '', time: '2026-01-02T00:00:00Z' }),
  );
}

describe('an object of a file', () => {
  it('is applied by a manager of its own', () => {
    const store = create();
    store.apply('a.yaml', [map({ a: '1' })]);
    expect(managers(store)).toEqual([
      { manager: 'limen-files', operation: 'Apply', fieldsV1: { 'f:data': { 'f:a': {} } } },
    ]);
  });

  it('has the defaults that the API gives', () => {
    const store = create();
    const ports = [{ port: 80 }];
    store.apply('a.yaml', [
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace: 'default' }, spec: { ports } },
    ]);
    expect(store.snapshot.get('Service', 'default', 'web')?.spec).toMatchObject({
      type: 'ClusterIP',
      ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    });
  });

  it.each([
    ['Service', 'v1', { ports: [{ port: 80 }] }, 'ports'],
    ['Pod', 'v1', { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80 }] }] }, 'containers'],
  ])('has each port of a %s once, however often the file is read', (kind, apiVersion, spec, field) => {
    const store = create();
    const given = (labels: Data) => ({
      apiVersion,
      kind,
      metadata: { name: 'web', namespace: 'default', labels },
      spec,
    });
    const found = () => store.snapshot.getOf(kind, 'default', 'web')?.spec as Record<string, unknown> | undefined;
    store.apply('a.yaml', [given({})]);
    const first = found()?.[field];
    expect(first).toHaveLength(1);
    store.apply('a.yaml', [given({ changed: 'yes' })]);
    expect(found()?.[field]).toEqual(first);
  });

  it('of the Gateway API has the defaults of its definition', () => {
    const store = create();
    const spec = { rules: [{ backendRefs: [{ name: 'a', port: 80 }] }] };
    const metadata = { name: 'it', namespace: 'default' };
    store.apply('a.yaml', [{ apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata, spec }]);
    expect(store.snapshot.getOf('HTTPRoute.gateway.networking.k8s.io', 'default', 'it')?.spec).toEqual({
      rules: [
        {
          backendRefs: [{ group: '', kind: 'Service', name: 'a', port: 80, weight: 1 }],
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        },
      ],
    });
  });

  it('keeps what the API made of fields that the file does not speak of, and loses what the file says no longer', () => {
    const store = create();
    store.apply('a.yaml', [map({ a: '1', b: '2' })]);
    edit(store, { c: '3' });
    store.apply('a.yaml', [map({ a: '9' })]);
    expect(live(store)?.data).toEqual({ a: '9', c: '3' });
    store.apply('a.yaml', []);
    expect(live(store)).toBeUndefined();
  });

  it('is what the file says again when the file is read again, changed or not', () => {
    const store = create();
    store.apply('a.yaml', [map({ a: '1', b: '2' })]);
    edit(store, { a: 'edited', b: undefined, c: '3' });
    store.apply('a.yaml', [map({ a: '1', b: '2' })]);
    expect(live(store)?.data).toEqual({ a: '1', b: '2', c: '3' });
  });

  it('changes nothing and tells nobody when it is there already', () => {
    const store = create();
    store.apply('a.yaml', [map({ a: '1' })]);
    edit(store, { c: '3' });
    const before = live(store);
    store.apply('a.yaml', [map({ a: '1' })]);
    expect(live(store)).toBe(before);
  });

  it('goes into one that was made through the API before', () => {
    const store = create();
    edit(store, { a: 'api', c: '3' });
    expect(store.apply('a.yaml', [map({ a: '1' })])).toEqual([]);
    expect(live(store)?.data).toEqual({ a: '1', c: '3' });
  });

  it('takes the place of the one of the file that had it', () => {
    const store = create();
    store.apply('a.yaml', [map({ a: '1' })]);
    store.apply('b.yaml', [map({ b: '2' })]);
    edit(store, { c: '3' });
    store.apply('a.yaml', []);
    expect(live(store)?.data).toEqual({ b: '2', c: '3' });
  });

  it('may bring along what a server said of it: that does not count', () => {
    const store = create();
    const exported = map({ a: '1' });
    Object.assign(exported.metadata, {
      managedFields: [{ manager: 'other' }],
      deletionTimestamp: '2020-01-01T00:00:00Z',
    });
    store.apply('a.yaml', [exported]);
    expect(live(store)?.metadata.deletionTimestamp).toBeUndefined();
    expect(managers(store)).toHaveLength(1);
  });

  it('wins over an edit after a restart too, and keeps the rest of the edit', () => {
    const folder = mkdtempSync(join(tmpdir(), 'limen-store-'));
    try {
      const open = () => openStore({ path: join(folder, 'db'), clock, merge: applyFileObject(clock) });
      const first = open();
      first.apply('a.yaml', [map({ a: '1' })]);
      edit(first, { a: 'edited', c: '3' });
      first.close();
      const second = open();
      second.apply('a.yaml', [map({ a: '1' })]);
      expect(live(second)?.data).toEqual({ a: '1', c: '3' });
      second.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('files and API', () => {
  const keys = fc.constantFrom('a', 'b', 'c', 'd');
  const values = fc.constantFrom('1', '2', '3');
  const step = fc.oneof(
    fc.record({ saved: fc.dictionary(keys, values) }),
    fc.record({ edited: fc.dictionary(keys, fc.option(values, { nil: undefined })) }),
  );

  it('each have the fields they said last, the file its own ones always after it was read', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), fc.dictionary(keys, values), (steps, last) => {
        const store = create();
        store.apply('a.yaml', [map({})]);
        /** What somebody said, and who of them still stands by it. */
        const model = new Map<string, { value: string; owners: Set<'file' | 'api'> }>();
        const save = (data: Data) => {
          store.apply('a.yaml', [map(data)]);
          for (const [key, entry] of model) {
            if (key in data || !entry.owners.delete('file')) continue;
            if (entry.owners.size === 0) model.delete(key);
          }
          for (const [key, value] of Object.entries(data)) {
            const entry = model.get(key);
            if (entry?.value === value) entry.owners.add('file');
            else model.set(key, { value, owners: new Set(['file']) });
          }
          expect(live(store)?.data ?? {}).toMatchObject(data);
        };
        for (const each of steps) {
          if ('saved' in each) {
            save(each.saved);
            continue;
          }
          edit(store, each.edited);
          for (const [key, value] of Object.entries(each.edited)) {
            if (value === undefined) model.delete(key);
            else if (model.get(key)?.value !== value) model.set(key, { value, owners: new Set(['api']) });
          }
        }
        save(last);
        const expected = Object.fromEntries([...model].map(([key, { value }]) => [key, value]));
        expect(live(store)?.data ?? {}).toEqual(expected);
      }),
    );
  });
});
