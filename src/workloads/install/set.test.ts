import { describe, expect, it } from 'vitest';
import { setField } from './set.ts';

describe('--set', () => {
  it.each([
    ['profile=demo', { profile: 'demo' }],
    ['meshConfig.accessLogFile=/dev/stdout', { meshConfig: { accessLogFile: '/dev/stdout' } }],
    ['spec.meshConfig.accessLogFile=', { meshConfig: { accessLogFile: '' } }],
    ['components.pilot.enabled=false', { components: { pilot: { enabled: false } } }],
    [
      'components.ingressGateways[0].k8s.replicaCount=3',
      { components: { ingressGateways: [{ k8s: { replicaCount: 3 } }] } },
    ],
    ['values.global.tag="1"', { values: { global: { tag: '1' } } }],
    ['meshConfig.a\\.b=c=d', { meshConfig: { 'a.b': 'c=d' } }],
  ])('%s', (text, spec) => {
    expect(setField({}, text)).toEqual(spec);
  });

  it('changes one field and leaves the others and the given object alone', () => {
    const spec = { components: { ingressGateways: [{ name: 'a' }, { name: 'b', enabled: true }] } };
    const before = structuredClone(spec);
    expect(setField(spec, 'components.ingressGateways[1].enabled=false').components?.ingressGateways).toEqual([
      { name: 'a' },
      { name: 'b', enabled: false },
    ]);
    expect(spec).toEqual(before);
  });

  it.each([
    ['profile', 'expected PATH=VALUE'],
    ['=x', 'expected PATH=VALUE'],
    ['a..b=x', 'expected PATH=VALUE'],
    ['a.=x', 'expected PATH=VALUE'],
    ['a[b]=x', 'expected PATH=VALUE'],
    ['components.ingressGateways[5].name=x', 'beyond the end of a list of 0'],
    ['components.ingressGateways[99999999999].name=x', 'beyond the end'],
    ['profile.x=y', 'x is a field, and what is there has none'],
  ])('%s is refused: %s', (text, reason) => {
    expect(() => setField({ profile: 'demo' }, text)).toThrow(reason);
  });

  it('never reaches the prototypes of objects', () => {
    const spec = setField({}, 'meshConfig.__proto__.polluted=true');
    expect(Object.keys(spec.meshConfig ?? {})).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });
});
