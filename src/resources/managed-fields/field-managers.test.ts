import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldType } from '../openapi/field-type.ts';
import type { Schema } from '../openapi/schema.ts';
import type { ManagedFieldsEntry } from './entries.ts';
import { ApplyConflictError, type ManagedObject, serverSideApply, trackUpdate, type Write } from './field-managers.ts';
import {
  describeFields,
  difference,
  type FieldSet,
  fromFieldsV1,
  intersection,
  isEmpty,
  toFieldsV1,
  union,
} from './field-set.ts';

const STRINGS: Schema = { additionalProperties: { type: 'string' } };
const SCHEMA: Schema = {
  properties: {
    apiVersion: {},
    kind: {},
    metadata: { properties: { name: {}, labels: STRINGS, finalizers: { items: {}, 'x-kubernetes-list-type': 'set' } } },
    spec: {
      properties: {
        replicas: {},
        hosts: { items: {} },
        selector: { properties: { app: {} }, 'x-kubernetes-map-type': 'atomic' },
        ports: {
          items: { properties: { port: {}, protocol: { default: 'TCP' }, name: {} } },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['port', 'protocol'],
        },
      },
    },
    status: { properties: { ready: {} } },
  },
};
const type = fieldType(SCHEMA, (schema) => schema);

type Thing = ManagedObject & {
  metadata: { labels?: Record<string, string>; finalizers?: string[]; managedFields?: readonly ManagedFieldsEntry[] };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
};

const thing = (spec: Record<string, unknown>, metadata: Thing['metadata'] = {}): Thing => ({
  apiVersion: 'v1',
  metadata,
  spec,
});
const by = (manager: string, time = '2026-01-01T00:00:00Z'): Write => ({ manager, time, subresource: '' });
const apply = (live: Thing | undefined, applied: Thing, manager: string, force = false) =>
  serverSideApply(live, applied, type, by(manager), force);
const owners = (object: Thing) =>
  Object.fromEntries(
    (object.metadata.managedFields ?? []).map(({ manager = '', fieldsV1 }) => [
      manager,
      describeFields(fromFieldsV1(fieldsV1)),
    ]),
  );

describe('server-side apply', () => {
  it('gives the manager exactly what it applied', () => {
    const object = apply(undefined, thing({ replicas: 1, ports: [{ port: 80 }] }, { labels: { app: 'a' } }), 'one');
    expect(object.metadata.managedFields).toEqual([
      {
        manager: 'one',
        operation: 'Apply',
        apiVersion: 'v1',
        time: '2026-01-01T00:00:00Z',
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { 'f:app': {} } },
          'f:spec': { 'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } }, 'f:replicas': {} },
        },
      },
    ]);
  });

  it('removes what the manager no longer applies, and nothing else', () => {
    const first = apply(undefined, thing({ replicas: 1, hosts: ['a'] }), 'one');
    const second = apply(first, thing({}, { labels: { x: 'y' } }), 'two');
    const third = apply(second, thing({ hosts: ['a'] }), 'one');
    expect(third).toMatchObject({ metadata: { labels: { x: 'y' } }, spec: { hosts: ['a'] } });
    expect(third.spec).not.toHaveProperty('replicas');
  });

  it('keeps what another manager applies as well', () => {
    const first = apply(undefined, thing({ replicas: 1 }), 'one');
    const shared = apply(first, thing({ replicas: 1 }), 'two');
    expect(owners(shared)).toEqual({ one: ['.spec.replicas'], two: ['.spec.replicas'] });
    expect(apply(shared, thing({}), 'one').spec).toEqual({ replicas: 1 });
  });

  it('fails when it would change what another manager owns, and says whose and what', () => {
    const live = trackUpdate(undefined, thing({ replicas: 1, hosts: ['a'] }), type, by('kubectl-edit'));
    const applied = thing({ replicas: 2 });
    expect(() => apply(live, applied, 'one')).toThrow(
      'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1 at 2026-01-01T00:00:00Z: .spec.replicas',
    );
    try {
      apply(live, thing({ replicas: 2, hosts: ['b'] }), 'one');
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ApplyConflictError);
      expect((error as ApplyConflictError).conflicts[0]?.fields).toEqual(['.spec.hosts', '.spec.replicas']);
    }
  });

  it('takes over with force', () => {
    const live = trackUpdate(undefined, thing({ replicas: 1, hosts: ['a'] }), type, by('kubectl-edit'));
    const forced = apply(live, thing({ replicas: 2 }), 'one', true);
    expect(forced.spec).toEqual({ replicas: 2, hosts: ['a'] });
    expect(owners(forced)).toEqual({ 'kubectl-edit': ['.spec.hosts'], one: ['.spec.replicas'] });
  });

  it('does not conflict over a value that is the same', () => {
    const live = trackUpdate(undefined, thing({ replicas: 1 }), type, by('kubectl-edit'));
    expect(owners(apply(live, thing({ replicas: 1 }), 'one'))).toEqual({
      'kubectl-edit': ['.spec.replicas'],
      one: ['.spec.replicas'],
    });
  });

  it('merges lists by key, sets by value, and replaces atomic lists and objects', () => {
    const live = apply(
      undefined,
      thing({ ports: [{ port: 80, name: 'http' }], hosts: ['a'], selector: { app: 'a' } }, { finalizers: ['x'] }),
      'one',
    );
    const merged = apply(live, thing({ ports: [{ port: 443, name: 'https' }] }, { finalizers: ['y'] }), 'two');
    expect(merged.spec?.ports).toEqual([
      { port: 80, name: 'http' },
      { port: 443, name: 'https' },
    ]);
    expect(merged.metadata.finalizers).toEqual(['x', 'y']);
    expect(() => apply(merged, thing({ hosts: ['b'] }), 'two')).toThrow(/"one": \.spec\.hosts/);
    expect(() => apply(merged, thing({ selector: { app: 'b' } }), 'two')).toThrow(/"one": \.spec\.selector/);
  });

  it('removes an entry of a list that its only owner left out', () => {
    const live = apply(undefined, thing({ ports: [{ port: 80 }, { port: 443, name: 'https' }] }), 'one');
    expect(apply(live, thing({ ports: [{ port: 443, name: 'https' }] }), 'one').spec).toEqual({
      ports: [{ port: 443, name: 'https' }],
    });
  });

  it('leaves an object alone that has it all', () => {
    const live = apply(undefined, thing({ replicas: 1 }), 'one');
    expect(serverSideApply(live, thing({ replicas: 1 }), type, by('one', '2027-01-01T00:00:00Z'), false)).toBe(live);
  });

  it('that says nothing of an object leaves it alone, managed or not', () => {
    const nothing: Thing = { apiVersion: 'v1', metadata: {} };
    for (const live of [nothing, thing({ replicas: 1 }), apply(undefined, thing({ replicas: 1 }), 'other')])
      expect(apply(live, nothing, 'one')).toBe(live);
  });

  it('finds what was there before anybody managed it', () => {
    expect(() => apply(thing({ replicas: 1 }), thing({ replicas: 2 }), 'one')).toThrow(
      /"before-first-apply" using v1: \.spec\.replicas/,
    );
  });
});

describe('an update', () => {
  it('gives the writer what it changed and takes it from others', () => {
    const live = apply(undefined, thing({ replicas: 1, hosts: ['a'] }), 'one');
    const updated = trackUpdate(live, { ...live, spec: { replicas: 5, hosts: ['a'] } }, type, by('kubectl-scale'));
    expect(owners(updated)).toEqual({ one: ['.spec.hosts'], 'kubectl-scale': ['.spec.replicas'] });
  });

  it('that makes an object owns its maps themselves, of a Kubernetes kind not its spec', () => {
    const made = (apiVersion: string) =>
      trackUpdate(undefined, { apiVersion, metadata: {}, data: { a: '1' }, spec: { replicas: 1 } }, type, by('one'));
    const fields = (object: ManagedObject) => object.metadata.managedFields?.[0]?.fieldsV1;
    expect(fields(made('v1'))).toEqual({ 'f:data': { '.': {}, 'f:a': {} }, 'f:spec': { 'f:replicas': {} } });
    expect(fields(made('networking.istio.io/v1'))).toEqual({
      'f:data': { '.': {}, 'f:a': {} },
      'f:spec': { '.': {}, 'f:replicas': {} },
    });
  });

  it('takes removed fields from everyone', () => {
    const live = apply(undefined, thing({ replicas: 1, hosts: ['a'] }), 'one');
    const { managedFields = [] } = live.metadata;
    const updated = trackUpdate(live, thing({ hosts: ['a'] }, { managedFields }), type, by('kubectl-edit'));
    expect(owners(updated)).toEqual({ one: ['.spec.hosts'] });
  });

  it('of a subresource is told apart', () => {
    const live = trackUpdate(undefined, thing({ replicas: 1 }), type, by('one'));
    const updated = trackUpdate(live, { ...live, status: { ready: true } }, type, {
      ...by('one'),
      subresource: 'status',
    });
    expect(updated.metadata.managedFields?.map(({ subresource, fieldsV1 }) => [subresource, fieldsV1])).toEqual([
      [undefined, { 'f:spec': { 'f:replicas': {} } }],
      ['status', { 'f:status': { '.': {}, 'f:ready': {} } }],
    ]);
  });

  it('with an empty list of managers starts anew', () => {
    const live = apply(undefined, thing({ replicas: 1 }), 'one');
    expect(
      trackUpdate(live, thing({ replicas: 1 }, { managedFields: [] }), type, by('x')).metadata.managedFields,
    ).toBeUndefined();
  });

  it('by many managers keeps the ten newest apart', () => {
    let object: Thing | undefined;
    for (let index = 10; index < 25; index++) {
      const next: Thing =
        object === undefined ? thing({}) : { ...object, spec: { ...object.spec, [`field${index}`]: index } };
      object = trackUpdate(object, next, type, by(`manager-${index}`, `2026-01-01T00:00:${index}Z`));
    }
    const managers = object?.metadata.managedFields?.map(({ manager }) => manager);
    expect(managers).toHaveLength(10);
    expect(managers).toContain('ancient-changes');
    expect(managers).toContain('manager-24');
  });
});

describe('a set of fields', () => {
  const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:"y"');
  const { fields } = fc.letrec<{ fields: object }>((tie) => ({
    fields: fc.dictionary(
      fc.oneof({ arbitrary: element, weight: 3 }, { arbitrary: fc.constant('.'), weight: 1 }),
      fc.oneof({ maxDepth: 3 }, fc.constant({}), tie('fields')),
      { maxKeys: 3 },
    ),
  }));
  const set = fields.map((json) => fromFieldsV1(json));
  const same = (a: FieldSet, b: FieldSet) => expect(toFieldsV1(a)).toEqual(toFieldsV1(b));

  it('is the same after it was written and read', () => {
    fc.assert(
      fc.property(set, (a) => {
        same(fromFieldsV1(toFieldsV1(a)), a);
      }),
    );
  });

  it('follows the laws of sets', () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        same(union(a, b), union(b, a));
        same(union(difference(a, b), intersection(a, b)), a);
        expect(isEmpty(intersection(difference(a, b), b))).toBe(true);
        same(difference(union(a, b), b), difference(a, b));
      }),
    );
  });
});

describe('applying', () => {
  const spec = fc.record(
    {
      replicas: fc.nat(3),
      hosts: fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
      ports: fc.uniqueArray(fc.record({ port: fc.nat(3), name: fc.constantFrom('x', 'y') }), {
        selector: ({ port }) => port,
        maxLength: 3,
      }),
    },
    { requiredKeys: [] },
  );

  it('the same twice changes nothing, whoever applied before', () => {
    fc.assert(
      fc.property(spec, spec, (first, second) => {
        const live = apply(apply(undefined, thing(first), 'one'), thing(second), 'two', true);
        expect(apply(live, thing(second), 'two')).toBe(live);
      }),
    );
  });

  it('one after the other leaves one manager with what the last one says', () => {
    fc.assert(
      fc.property(spec, spec, (first, second) => {
        const live = apply(apply(undefined, thing(first), 'one'), thing(second), 'one');
        expect(owners(live)).toEqual(owners(apply(undefined, thing(second), 'one')));
        expect(live.spec?.replicas).toEqual(second.replicas);
        const ports = (live.spec?.ports ?? []) as { port: number }[];
        expect(new Set(ports)).toEqual(new Set(second.ports ?? []));
      }),
    );
  });
});
