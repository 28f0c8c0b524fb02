// Pods that run have time to end; nothing else waits.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NODE_NAME } from '../resources/node.ts';
import type { PodAccess } from '../resources/pod-access.ts';
import { Store } from '../store/store.ts';
import { TestServer } from './test-support.ts';

const PODS = '/api/v1/namespaces/default/pods';

/** A pod that a node was given. */
const pod = (name: string, spec: object = {}, status: object = { phase: 'Running' }) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: { nodeName: NODE_NAME, containers: [{ name: 'main', image: 'x' }], ...spec },
  status,
});

describe('a pod that is deleted', () => {
  let api: TestServer;
  beforeEach(async () => {
    api = await TestServer.start(new Store(), { podAccess: {} as PodAccess }); // somebody runs pods
  });
  afterEach(() => api.stop());

  it('is marked, with the time it has to end, and is there until the node takes it away', async () => {
    api.store.put(pod('a'));
    api.store.put(pod('b', { terminationGracePeriodSeconds: 7 }));
    expect((await api.delete(`${PODS}/a`)).body.metadata).toMatchObject({ deletionGracePeriodSeconds: 30 });
    expect((await api.delete(`${PODS}/b`)).body.metadata).toMatchObject({ deletionGracePeriodSeconds: 7 });
    expect((await api.get(`${PODS}/a`)).body.metadata.deletionTimestamp).toBeDefined();
  });

  it('has as long as the client says, at most what it was given before', async () => {
    api.store.put(pod('a'));
    for (const [asked, has] of [
      [20, 20],
      [40, 20],
      [5, 5],
    ])
      expect((await api.delete(`${PODS}/a?gracePeriodSeconds=${asked}`)).body.metadata).toMatchObject({
        deletionGracePeriodSeconds: has,
      });
    await api.delete(`${PODS}/a?gracePeriodSeconds=0`);
    expect((await api.get(`${PODS}/a`)).status).toBe(404);
  });

  it('is gone at once where nobody runs it: it has no node, another one, or has ended', async () => {
    api.store.put(pod('unbound', { nodeName: undefined }));
    api.store.put(pod('elsewhere', { nodeName: 'minikube' }));
    api.store.put(pod('ended', {}, { phase: 'Succeeded' }));
    for (const name of ['unbound', 'elsewhere', 'ended']) {
      expect((await api.delete(`${PODS}/${name}`)).status).toBe(200);
      expect((await api.get(`${PODS}/${name}`)).status).toBe(404);
    }
  });
});
