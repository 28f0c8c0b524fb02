import { describe, expect, it } from 'vitest';
import type { Kind } from '../kinds/kind.ts';
import { KINDS, lookUpKind } from '../kinds.ts';
import { definition, resolveRef, schemaOf } from './definitions.ts';
import type { Schema } from './schema.ts';

function kindOf(apiVersion: string, name: string): Kind {
  const lookup = lookUpKind(apiVersion, name);
  if (lookup.found !== 'served') throw new Error(`no ${name}`);
  return lookup.kind;
}

/** The schema at a path of fields; the items of a list are passed through. */
function at(schema: Schema, ...fields: string[]): Schema {
  return fields.reduce((place, field) => {
    const { items } = resolveRef(place);
    const inner = resolveRef(items === undefined ? place : items).properties?.[field];
    if (inner === undefined) throw new Error(`no field ${field}`);
    return resolveRef(inner);
  }, schema);
}

describe('the schema of a kind', () => {
  it.each(KINDS.map((kind) => [`${kind.name}.${kind.group}`, kind] as const))('is there: %s', (_, kind) => {
    for (const version of kind.versions)
      expect(schemaOf(kind, version)?.['x-kubernetes-group-version-kind']).toEqual([
        { group: kind.group, version, kind: kind.name },
      ]);
  });

  it('has descriptions, types, required fields, enums, formats, patterns and limits', () => {
    const pod = schemaOf(kindOf('v1', 'Pod'))!;
    expect(at(pod, 'spec').required).toEqual(['containers']);
    expect(at(pod, 'spec', 'containers', 'ports', 'protocol')).toMatchObject({
      type: 'string',
      description: expect.stringContaining('Must be UDP, TCP, or SCTP.'),
      enum: ['SCTP', 'TCP', 'UDP'],
    });
    expect(at(pod, 'spec', 'containers', 'ports', 'containerPort')).toMatchObject({ type: 'integer', format: 'int32' });
    const gateway = schemaOf(kindOf('gateway.networking.k8s.io/v1', 'Gateway'))!;
    expect(at(gateway, 'spec', 'listeners')).toMatchObject({ type: 'array', minItems: 1, maxItems: 64 });
    expect(at(gateway, 'spec', 'listeners', 'port')).toMatchObject({ type: 'integer', minimum: 1, maximum: 65535 });
    expect(at(gateway, 'spec', 'listeners', 'name').pattern).toMatch(/^\^\[a-z0-9\]/);
    const routes = schemaOf(kindOf('networking.istio.io/v1', 'VirtualService'))!;
    expect(at(routes, 'spec', 'http', 'match', 'uri').oneOf).toContainEqual({ required: ['prefix'] });
    const rules = schemaOf(kindOf('networking.istio.io/v1', 'DestinationRule'))!;
    expect(at(rules, 'spec').required).toEqual(['host']);
  });

  it('says how lists are merged', () => {
    const spec = at(schemaOf(kindOf('apps/v1', 'Deployment'))!, 'spec');
    expect(at(spec, 'strategy')['x-kubernetes-patch-strategy']).toBe('retainKeys');
    expect(at(spec, 'selector')['x-kubernetes-map-type']).toBe('atomic');
    expect(at(spec, 'template', 'spec', 'containers')).toMatchObject({
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    });
    expect(at(spec, 'template', 'spec', 'containers', 'ports')).toMatchObject({
      'x-kubernetes-patch-merge-key': 'containerPort',
      'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
    });
    expect(at(spec, 'template', 'spec', 'containers', 'args')).not.toHaveProperty('x-kubernetes-list-type');
  });

  it('knows numbers that may be texts, quantities and free content', () => {
    const service = schemaOf(kindOf('v1', 'Service'))!;
    expect(at(service, 'spec', 'ports', 'targetPort')['x-kubernetes-int-or-string']).toBe(true);
    const pod = schemaOf(kindOf('v1', 'Pod'))!;
    expect(resolveRef(at(pod, 'spec', 'containers', 'resources', 'limits').additionalProperties as Schema).format).toBe(
      'quantity',
    );
    const filter = schemaOf(kindOf('networking.istio.io/v1alpha3', 'EnvoyFilter'))!;
    expect(at(filter, 'spec', 'configPatches', 'patch', 'value')['x-kubernetes-preserve-unknown-fields']).toBe(true);
    expect(schemaOf(kindOf('install.istio.io/v1alpha1', 'IstioOperator'))).toMatchObject({
      'x-kubernetes-preserve-unknown-fields': true,
    });
  });
});

describe('definitions', () => {
  it('are found by name, and nothing else is', () => {
    expect(definition('io.k8s.api.core.v1.PodSpec')?.type).toBe('object');
    expect(definition('io.k8s.api.core.v1.Nothing')).toBeUndefined();
    expect(definition('io.k8s.api.core.v1.constructor')).toBeUndefined();
    expect(definition('../../../package.x')).toBeUndefined();
  });

  it('lead somewhere wherever they refer to', () => {
    const seen = new Set<string>();
    const follow = (schema: Schema): void => {
      for (const [, name] of JSON.stringify(schema).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) {
        if (seen.has(name!)) continue;
        seen.add(name!);
        const target = definition(name!);
        expect(target, name).toBeDefined();
        follow(target!);
      }
    };
    for (const kind of KINDS) follow(schemaOf(kind)!);
    expect(seen.size).toBeGreaterThan(300);
  });
});
