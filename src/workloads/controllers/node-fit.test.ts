import { describe, expect, it } from 'vitest';
import type { Pod } from '../../resources/types.ts';
import { evictingTaints, type Node, type Taint, whyNotOn } from './node-fit.ts';

type Spec = NonNullable<Pod['spec']>;
const pod = (more: Partial<Spec> = {}): Spec => ({ containers: [], ...more });
const node = (spec: Node['spec'], labels: Record<string, string> = {}): Node => ({
  ...{ apiVersion: 'v1', kind: 'Node' },
  metadata: { name: 'limen', labels },
  ...(spec && { spec }),
});
const tainted = (effect: string, value?: string): Node =>
  node({ taints: [{ key: 'dedicated', effect, ...(value === undefined ? {} : { value }) } satisfies Taint] });
const near = (...nodeSelectorTerms: object[]): Partial<Spec> =>
  ({
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } },
  }) as Partial<Spec>;

const UNTOLERATED = 'node(s) had untolerated taint {dedicated: web}';
const FAR = "node(s) didn't match Pod's node affinity/selector";

describe('a pod may go to', () => {
  it.each<[string, Node, Partial<Spec>]>([
    ['a node that says nothing', node(undefined), {}],
    ['a cordoned one it tolerates', node({ unschedulable: true }), { tolerations: [{ operator: 'Exists' }] }],
    ['one that would rather not', tainted('PreferNoSchedule', 'web'), {}],
    ['a taint by key and value', tainted('NoSchedule', 'web'), { tolerations: [{ key: 'dedicated', value: 'web' }] }],
    [
      'a taint by key, of one effect',
      tainted('NoExecute', 'web'),
      { tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoExecute' }] },
    ],
    ['one with the labels it selects', node({}, { disk: 'ssd' }), { nodeSelector: { disk: 'ssd' } }],
    [
      'one that fits one of the terms of its affinity',
      node({}, { disk: 'ssd' }),
      near(
        { matchExpressions: [{ key: 'gpu', operator: 'Exists' }] },
        { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['limen'] }] },
      ),
    ],
  ])('%s', (_, where, spec) => {
    expect(whyNotOn(where, pod(spec))).toBeUndefined();
  });
});

describe('a pod may not go to', () => {
  it.each<[string, Node, Partial<Spec>, string]>([
    ['a cordoned node', node({ unschedulable: true }), {}, 'node(s) were unschedulable'],
    ['one that schedules no others', tainted('NoSchedule', 'web'), {}, UNTOLERATED],
    ['one that drives others out', tainted('NoExecute', 'web'), {}, UNTOLERATED],
    [
      'a taint of another value',
      tainted('NoSchedule', 'web'),
      { tolerations: [{ key: 'dedicated', value: 'db' }] },
      UNTOLERATED,
    ],
    [
      'a taint of another effect',
      tainted('NoExecute', 'web'),
      { tolerations: [{ key: 'dedicated', operator: 'Exists', effect: 'NoSchedule' }] },
      UNTOLERATED,
    ],
    ['one without the labels it selects', node({}, { disk: 'hdd' }), { nodeSelector: { disk: 'ssd' } }, FAR],
    ['any, with a term that asks for nothing', node({}), near({}), FAR],
  ])('%s', (_, where, spec, reason) => {
    expect(whyNotOn(where, pod(spec))).toBe(reason);
  });
});

it('a pod is driven out by the taints NoExecute that it does not tolerate', () => {
  expect(evictingTaints(tainted('NoSchedule'), pod())).toEqual([]);
  expect(evictingTaints(tainted('NoExecute'), pod())).toEqual([{ key: 'dedicated', effect: 'NoExecute' }]);
  expect(evictingTaints(tainted('NoExecute'), pod({ tolerations: [{ operator: 'Exists' }] }))).toEqual([]);
});
