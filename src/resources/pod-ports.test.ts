import { describe, expect, it } from 'vitest';
import { BOUND_PORTS_ANNOTATION, boundPort, boundPortsAnnotation } from './pod-ports.ts';
import type { Pod } from './types.ts';

const pod = (value?: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', ...(value === undefined ? {} : { annotations: { [BOUND_PORTS_ANNOTATION]: value } }) },
});

describe('the bound port of a container port', () => {
  it('is the number itself where the pod says nothing', () => {
    expect(boundPortsAnnotation(new Map([[8080, 8080]]))).toBeUndefined();
    expect(boundPort(pod(), 8080)).toBe(8080);
  });

  it('is the one the annotation tells', () => {
    const annotation = boundPortsAnnotation(
      new Map([
        [8080, 41234],
        [9090, 9090],
      ]),
    );
    expect(boundPort(pod(annotation), 8080)).toBe(41234);
    expect(boundPort(pod(annotation), 9090)).toBe(9090);
  });

  it.each(['nonsense', '{"8080":"x"}', '{"8080":70000}', 'null', '[]'])(
    'is the number itself where the annotation is %s',
    (text) => {
      expect(boundPort(pod(text), 8080)).toBe(8080);
    },
  );
});
