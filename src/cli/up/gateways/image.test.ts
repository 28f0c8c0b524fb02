import { describe, expect, it } from 'vitest';
import { isGatewayImage, whyNoGateway } from './image.ts';

describe('an image of a gateway', () => {
  it.each([
    'limen/proxy',
    'limen/proxy:0.1.0',
    'auto',
    'docker.io/istio/proxyv2:1.29.0',
    'istio/proxyv2',
    'gcr.io/istio-release/proxyv2:1.29.0-distroless',
    'registry.local:5000/mirror/proxyv2@sha256:0123',
  ])('is %s', (image) => {
    expect(isGatewayImage(image)).toBe(true);
  });

  it.each(['', 'autos', 'istio/examples-bookinfo-ratings-v1', 'limen/echo', 'example.com/my-proxyv2', 'x/auto'])(
    'is not %j',
    (image) => {
      expect(isGatewayImage(image)).toBe(false);
    },
  );

  it('is auto only where the gateway template is to be injected', () => {
    const pod = (templates?: string) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'gateway',
        ...(templates === undefined ? {} : { annotations: { 'inject.istio.io/templates': templates } }),
      },
    });
    expect(whyNoGateway('auto', pod('gateway'))).toBeUndefined();
    expect(whyNoGateway('auto', pod('custom, gateway'))).toBeUndefined();
    expect(whyNoGateway('auto', pod('sidecar'))).toMatch('inject.istio.io/templates: gateway');
    expect(whyNoGateway('auto', pod())).toMatch('inject.istio.io/templates: gateway');
    expect(whyNoGateway('limen/proxy', pod())).toBeUndefined();
  });
});
