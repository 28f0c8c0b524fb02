import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestServer } from './test-support.ts';

let api: TestServer;
beforeAll(async () => {
  api = await TestServer.start();
});
afterAll(() => api.stop());

const CORE = '/api/v1/namespaces/default/events';
const NEWER = '/apis/events.k8s.io/v1/namespaces/default/events';
const TABLE = { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } };
const pod = (name: string) => ({ apiVersion: 'v1', kind: 'Pod', namespace: 'default', name });

describe('Events', () => {
  it('of the core group are those of events.k8s.io', async () => {
    const event = {
      metadata: { name: 'old' },
      involvedObject: pod('web'),
      message: 'pulled',
      reason: 'Pulled',
      type: 'Normal',
      source: { component: 'kubelet' },
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:00Z',
      count: 2,
    };
    expect((await api.post(CORE, event)).status).toBe(201);
    const { body } = await api.get(`${NEWER}/old`);
    expect(body).toMatchObject({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      regarding: pod('web'),
      note: 'pulled',
      reason: 'Pulled',
      deprecatedSource: { component: 'kubelet' },
      deprecatedCount: 2,
      eventTime: null,
    });
    expect([body.message, body.involvedObject, body.count]).toEqual([undefined, undefined, undefined]);
  });

  it('of events.k8s.io are those of the core group', async () => {
    const watch = await api.watch(CORE);
    const event = {
      metadata: { name: 'new' },
      regarding: pod('other'),
      note: 'started',
      reason: 'Started',
      type: 'Normal',
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'limen',
      reportingInstance: 'limen-1',
      action: 'Start',
    };
    const created = await api.post(NEWER, event);
    expect([created.status, created.body]).toEqual([201, expect.objectContaining({ note: 'started' })]);
    await api.until('it is seen', () => watch.events.some(({ object }) => object.metadata.name === 'new'));
    watch.close();
    const seen = watch.events.find(({ object }) => object.metadata.name === 'new');
    expect(seen?.object).toMatchObject({
      apiVersion: 'v1',
      involvedObject: pod('other'),
      message: 'started',
      reportingComponent: 'limen',
    });
    const patched = await api.patch(`${NEWER}/new`, 'application/merge-patch+json', { note: 'started again' });
    expect([patched.status, patched.body.note]).toEqual([200, 'started again']);
    expect((await api.get(`${CORE}/new`)).body.message).toBe('started again');
    const names = async (path: string) =>
      (await api.get(path)).body.items.map(({ metadata }: { metadata: { name: string } }) => metadata.name);
    expect(await names(`${NEWER}?fieldSelector=regarding.name%3Dother`)).toEqual(['new']);
    expect(await names(`${CORE}?fieldSelector=involvedObject.name%3Dother`)).toEqual(['new']);
    const [core, newer] = [await api.get(`${CORE}/new`, TABLE), await api.get(`${NEWER}/new`, TABLE)];
    expect(newer.body.rows[0].cells.slice(1)).toEqual(core.body.rows[0].cells.slice(1));
    expect(newer.body.rows[0].cells).toContain('started again');
    expect((await api.delete(`${NEWER}/new`)).status).toBe(200);
    expect((await api.get(`${CORE}/new`)).status).toBe(404);
  });
});
