import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fieldType } from '../openapi/field-type.ts';
import type { Schema } from '../openapi/schema.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const POD_SPEC: Schema = {
  properties: {
    containers: {
      items: {
        properties: {
          ports: { 'x-kubernetes-patch-strategy': 'merge', 'x-kubernetes-patch-merge-key': 'containerPort', items: {} },
          args: { items: {} },
        },
      },
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-patch-merge-key': 'name',
    },
    finalizers: { items: {}, 'x-kubernetes-patch-strategy': 'merge' },
    strategy: { 'x-kubernetes-patch-strategy': 'retainKeys', properties: { type: {}, rollingUpdate: {} } },
  },
};
const type = fieldType(POD_SPEC, (schema) => schema);
const strategic = (target: unknown, patch: unknown) => applyStrategicMergePatch(target, patch, type);
const json = fc.jsonValue({ maxDepth: 3 });

describe('a JSON patch', () => {
  it('applies its operations in order and leaves the original as it was', () => {
    const original = { spec: { hosts: ['a'], name: 'x' } };
    const patched = applyJsonPatch(original, [
      { op: 'test', path: '/spec/name', value: 'x' },
      { op: 'add', path: '/spec/hosts/-', value: 'b' },
      { op: 'copy', from: '/spec/hosts/0', path: '/spec/hosts/0' },
      { op: 'move', from: '/spec/name', path: '/spec/title' },
      { op: 'remove', path: '/spec/hosts/1' },
    ]);
    expect(patched).toEqual({ spec: { hosts: ['a', 'b'], title: 'x' } });
    expect(original).toEqual({ spec: { hosts: ['a'], name: 'x' } });
  });

  it('can replace the whole document', () => {
    expect(applyJsonPatch({ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }])).toEqual({ b: 2 });
  });

  it('says which path is missing', () => {
    expect(() => applyJsonPatch({}, [{ op: 'replace', path: '/spec/host', value: 1 }])).toThrow(
      /replace operation does not apply: doc is missing path: "\/spec\/host"/,
    );
  });

  it('fails when a test fails', () => {
    expect(() => applyJsonPatch({ a: 1 }, [{ op: 'test', path: '/a', value: 2 }])).toThrow(/testing value \/a failed/);
  });

  it.each([
    ['no list', { op: 'add' }],
    ['an unknown operation', [{ op: 'frobnicate', path: '/a' }]],
    ['no value', [{ op: 'add', path: '/a' }]],
    ['a path that is no pointer', [{ op: 'remove', path: 'a' }]],
    ['a move without from', [{ op: 'move', path: '/a' }]],
    ['a prototype', [{ op: 'add', path: '/__proto__/polluted', value: 1 }]],
    ['null', null],
  ])('refuses %s', (_, operations) => {
    expect(() => applyJsonPatch({ a: 1 }, operations)).toThrow(expect.objectContaining({ reason: 'malformed' }));
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });
});

describe('a merge patch', () => {
  // The examples of RFC 7396, appendix A.
  it.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });

  it('makes no prototype', () => {
    const patched = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1},"constructor":{"x":1}}')) as object;
    expect(Object.getPrototypeOf(patched)).toBe(Object.prototype);
    expect(Object.keys(patched)).toEqual(['constructor']);
  });

  it('applied twice is applied once', () => {
    fc.assert(
      fc.property(json, json, (target, patch) => {
        const once = applyMergePatch(target, patch);
        expect(applyMergePatch(once, patch)).toEqual(once);
      }),
    );
  });
});

describe('a strategic merge patch', () => {
  const pod = {
    containers: [
      { name: 'web', image: 'web:1', args: ['a'], ports: [{ containerPort: 80 }] },
      { name: 'side', image: 'side:1' },
    ],
    finalizers: ['one', 'two'],
  };

  it('merges list entries by their key and adds new ones', () => {
    expect(
      strategic(pod, {
        containers: [
          { name: 'web', image: 'web:2', ports: [{ containerPort: 81 }] },
          { name: 'new', image: 'n' },
        ],
      }),
    ).toEqual({
      ...pod,
      containers: [
        { name: 'web', image: 'web:2', args: ['a'], ports: [{ containerPort: 80 }, { containerPort: 81 }] },
        { name: 'side', image: 'side:1' },
        { name: 'new', image: 'n' },
      ],
    });
  });

  it('replaces lists that have no merge key, and unites lists of scalars that merge', () => {
    expect(strategic(pod, { containers: [{ name: 'web', args: ['b'] }], finalizers: ['two', 'three'] })).toMatchObject({
      containers: [{ args: ['b'] }, {}],
      finalizers: ['one', 'two', 'three'],
    });
  });

  it('deletes by directive', () => {
    expect(
      strategic(pod, {
        containers: [{ name: 'side', $patch: 'delete' }],
        '$deleteFromPrimitiveList/finalizers': ['one'],
      }),
    ).toEqual({ containers: [pod.containers[0]], finalizers: ['two'] });
  });

  it('replaces objects and lists by directive', () => {
    expect(strategic(pod, { containers: [{ $patch: 'replace' }, { name: 'only' }] })).toMatchObject({
      containers: [{ name: 'only' }],
    });
    expect(
      strategic({ strategy: { type: 'a', rollingUpdate: {} } }, { strategy: { $patch: 'replace', type: 'b' } }),
    ).toEqual({
      strategy: { type: 'b' },
    });
  });

  it('keeps only the keys that $retainKeys names', () => {
    expect(
      strategic(
        { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } },
        { strategy: { $retainKeys: ['type'], type: 'Recreate' } },
      ),
    ).toEqual({ strategy: { type: 'Recreate' } });
  });

  it('orders a list as $setElementOrder says, with entries that the client does not know beside their neighbours', () => {
    const live = { containers: ['a', 'injected', 'b', 'c'].map((name) => ({ name })) };
    expect(
      strategic(live, {
        '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }],
        containers: [{ name: 'a', image: 'x' }],
      }),
    ).toEqual({ containers: [{ name: 'injected' }, { name: 'c' }, { name: 'a', image: 'x' }, { name: 'b' }] });
  });

  it.each([
    ['an entry without its key', { containers: [{ image: 'x' }] }, /does not contain declared merge key: name/],
    ['an unknown directive', { $patch: 'mix' }, /Unknown patch type found/],
    [
      'an order that leaves out what is set',
      { '$setElementOrder/containers': [{ name: 'a' }], containers: [{ name: 'b' }] },
      /does not name/,
    ],
    ['what is no object', [1], /is an object/],
  ])('refuses %s', (_, patch, message) => {
    expect(() => strategic(pod, patch)).toThrow(message);
  });

  it('without a schema is a merge patch', () => {
    const plain = fieldType(undefined, (schema) => schema);
    const noDirectives = fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.jsonValue({ maxDepth: 2 }));
    fc.assert(
      fc.property(
        noDirectives,
        fc.dictionary(
          fc.constantFrom('a', 'b', 'c'),
          fc.oneof(
            fc.integer(),
            fc.string(),
            fc.constant(null),
            fc.dictionary(fc.constantFrom('a', 'b'), fc.oneof(fc.integer(), fc.constant(null))),
          ),
        ),
        (target, patch) => {
          expect(applyStrategicMergePatch(target, patch, plain)).toEqual(applyMergePatch(target, patch));
        },
      ),
    );
  });
});
