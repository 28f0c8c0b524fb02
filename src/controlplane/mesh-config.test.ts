import { describe, expect, it } from 'vitest';
import type { ConfigMap } from '../resources/types.ts';
import { DEFAULT_MESH_CONFIG, readMeshConfig } from './mesh-config.ts';

const configMap = (mesh: string): ConfigMap => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'istio', namespace: 'istio-system' },
  data: { mesh },
});

describe('readMeshConfig', () => {
  it('has no access log without a ConfigMap, or with an empty one', () => {
    expect(readMeshConfig(undefined)).toEqual(DEFAULT_MESH_CONFIG);
    expect(readMeshConfig(configMap(''))).toEqual(DEFAULT_MESH_CONFIG);
  });

  it('reads where calls to unknown hosts go, and the port of HTTP proxies; 0 is none', () => {
    const { proxyHttpPort, outboundTrafficPolicy, notices } = readMeshConfig(
      configMap('proxyHttpPort: 15007\noutboundTrafficPolicy: { mode: REGISTRY_ONLY }'),
    );
    expect({ proxyHttpPort, outboundTrafficPolicy, notices }).toEqual({
      proxyHttpPort: 15007,
      outboundTrafficPolicy: 'REGISTRY_ONLY',
      notices: [],
    });
    expect(readMeshConfig(configMap('proxyHttpPort: 0')).proxyHttpPort).toBeUndefined();
  });

  it('says what is wrong with them, and keeps to the defaults', () => {
    const mesh = readMeshConfig(configMap('proxyHttpPort: http\noutboundTrafficPolicy: { mode: SOME }'));
    expect(mesh.outboundTrafficPolicy).toBe('ALLOW_ANY');
    expect(mesh.proxyHttpPort).toBeUndefined();
    expect(mesh.notices.map(({ field, message }) => `${field} ${message}`)).toEqual([
      'data.mesh.proxyHttpPort must be a port from 1 to 65535, not "http": there is none',
      'data.mesh.outboundTrafficPolicy.mode must be ALLOW_ANY or REGISTRY_ONLY, not "SOME": ALLOW_ANY holds',
    ]);
  });

  it('reads the access log settings', () => {
    const mesh = readMeshConfig(
      configMap('accessLogFile: /dev/stdout\naccessLogEncoding: JSON\naccessLogFormat: "{}"'),
    );
    expect(mesh).toEqual({
      accessLogFile: '/dev/stdout',
      accessLogEncoding: 'JSON',
      accessLogFormat: '{}',
      tracingSampling: 1,
      proxyHttpPort: undefined,
      outboundTrafficPolicy: 'ALLOW_ANY',
      notices: [],
    });
  });

  it.each([
    ['enableTracing: false', undefined],
    ['enableTracing: true', 1],
    ['defaultConfig: { tracing: { sampling: 100 } }', 100],
    ['defaultConfig: { tracing: { sampling: 0 } }', 0],
  ])('reads how much is traced: %s', (text, sampling) => {
    const { tracingSampling, notices } = readMeshConfig(configMap(text));
    expect([tracingSampling, notices]).toEqual([sampling, []]);
  });

  it('takes no format that is not JSON where the encoding is', () => {
    const { accessLogFormat, notices } = readMeshConfig(
      configMap('accessLogEncoding: JSON\naccessLogFormat: "%PROTOCOL%"'),
    );
    expect(accessLogFormat).toBe('');
    expect(notices[0]).toMatchObject({ field: 'data.mesh.accessLogFormat' });
  });

  it.each([
    ['a: [', 'is not YAML'],
    ['- a', 'is not a mapping'],
    ['accessLogFile: 5', 'must be a string'],
    ['accessLogEncoding: XML', 'must be TEXT or JSON'],
    ['enableTracing: maybe', 'must be true or false'],
    ['defaultConfig: { tracing: { sampling: 101 } }', 'must be a percentage'],
    ['h2UpgradePolicy: UPGRADE', 'is not honoured'],
  ])('keeps the defaults for %j and says so', (text, message) => {
    const { notices, ...settings } = readMeshConfig(configMap(text));
    expect({ ...settings, notices: [] }).toEqual(DEFAULT_MESH_CONFIG);
    expect(notices).toHaveLength(1);
    expect(notices[0]?.message).toContain(message);
  });
});
