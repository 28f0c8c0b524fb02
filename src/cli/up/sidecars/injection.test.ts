import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../resources/types.ts';
import { hasSidecar } from './injection.ts';

const pod = (metadata: Partial<Pod['metadata']> = {}, spec: Partial<NonNullable<Pod['spec']>> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', ...metadata },
  spec: { containers: [{ name: 'web', image: 'shop/web' }], ...spec },
});

describe('a pod has a sidecar', () => {
  it('unless it says otherwise, by label or annotation', () => {
    expect(hasSidecar(pod())).toBe(true);
    expect(hasSidecar(pod({ labels: { 'sidecar.istio.io/inject': 'true' } }))).toBe(true);
    expect(hasSidecar(pod({ labels: { 'sidecar.istio.io/inject': 'false' } }))).toBe(false);
    expect(hasSidecar(pod({ annotations: { 'sidecar.istio.io/inject': 'false' } }))).toBe(false);
  });

  it('by its label where label and annotation differ', () => {
    const labels = { 'sidecar.istio.io/inject': 'true' };
    expect(hasSidecar(pod({ labels, annotations: { 'sidecar.istio.io/inject': 'false' } }))).toBe(true);
  });

  it('but not where it is a gateway, or has the network of the node', () => {
    expect(hasSidecar(pod({}, { containers: [{ name: 'proxy', image: 'istio/proxyv2:1.29.0' }] }))).toBe(false);
    expect(hasSidecar(pod({}, { hostNetwork: true }))).toBe(false);
  });

  it('as the template says that it is made of', () => {
    expect(hasSidecar({ metadata: { annotations: { 'sidecar.istio.io/inject': 'false' } } })).toBe(false);
    expect(hasSidecar({ spec: { containers: [{ name: 'web', image: 'shop/web' }] } })).toBe(true);
  });
});
