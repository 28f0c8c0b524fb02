import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configMap, TestServer } from './test-support.ts';

let api: TestServer;
beforeAll(async () => {
  api = await TestServer.start();
});
afterAll(() => api.stop());

const MAPS = '/api/v1/namespaces/default/configmaps';
const SERVICES = '/apis/networking.istio.io/v1/namespaces/default/virtualservices';
const MERGE = 'application/merge-patch+json';

const virtualService = (name: string, spec: object = {}) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name },
  spec: { hosts: ['a.example'], http: [{ route: [{ destination: { host: 'a' } }] }], ...spec },
});

describe('the Gateway API', () => {
  const routes = '/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes';

  it('has the defaults of its definitions', async () => {
    const route = {
      metadata: { name: 'r' },
      spec: { parentRefs: [{ name: 'web' }], rules: [{ backendRefs: [{ name: 'a', port: 80 }] }] },
    };
    expect((await api.post(routes, route)).body.spec).toEqual({
      parentRefs: [{ group: 'gateway.networking.k8s.io', kind: 'Gateway', name: 'web' }],
      rules: [
        {
          backendRefs: [{ group: '', kind: 'Service', name: 'a', port: 80, weight: 1 }],
          matches: [{ path: { type: 'PathPrefix', value: '/' } }],
        },
      ],
    });
    const header = { matches: [{ headers: [{ name: 'x', value: 'y' }] }] };
    const matching = await api.post(routes, { metadata: { name: 'm' }, spec: { rules: [header] } });
    expect(matching.body.spec.rules[0].matches).toEqual([
      { headers: [{ name: 'x', type: 'Exact', value: 'y' }], path: { type: 'PathPrefix', value: '/' } },
    ]);
    const gateways = '/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways';
    const listeners = [{ name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } }];
    const gateway = await api.post(gateways, {
      metadata: { name: 'web' },
      spec: { gatewayClassName: 'istio', listeners },
    });
    expect(gateway.body.spec.listeners[0]).toMatchObject({
      allowedRoutes: { namespaces: { from: 'Same' } },
      tls: { mode: 'Terminate', certificateRefs: [{ group: '', kind: 'Secret', name: 'cert' }] },
    });
  });
});

describe('a value of a wrong type', () => {
  const refusal = async (path: string, object: object) => {
    const { status, body } = await api.post(path, object);
    return {
      status,
      reason: body.reason,
      message: body.message,
      fields: body.details?.causes?.map((cause: { field: string }) => cause.field),
    };
  };
  const deployment = (spec: object) => ({
    metadata: { name: 'typed' },
    spec: {
      selector: { matchLabels: { app: 'a' } },
      template: { metadata: { labels: { app: 'a' } }, spec: { containers: [] } },
      ...spec,
    },
  });

  it.each([
    [{ replicas: '3' }, 'string into Go struct field DeploymentSpec.spec.replicas of type int32', 'spec.replicas'],
    [{ replicas: 1.5 }, 'number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32', 'spec.replicas'],
    [{ paused: 'yes' }, 'string into Go struct field DeploymentSpec.spec.paused of type bool', 'spec.paused'],
    [
      { strategy: [] },
      'array into Go struct field DeploymentSpec.spec.strategy of type v1.DeploymentStrategy',
      'spec.strategy',
    ],
    [
      { template: { spec: { containers: [{ name: 'a', env: [{ name: 'A', value: 5 }] }] } } },
      'number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string (spec.template.spec.containers[0].env[0].value)',
      'spec.template.spec.containers[0].env[0].value',
    ],
    [
      { template: { metadata: { labels: { version: 1 } }, spec: { containers: [] } } },
      'number into Go struct field ObjectMeta.spec.template.metadata.labels of type string (spec.template.metadata.labels.version)',
      'spec.template.metadata.labels.version',
    ],
    [
      { template: { spec: { containers: { name: 'a' } } } },
      'object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container',
      'spec.template.spec.containers',
    ],
  ])('is told as Kubernetes tells it: %j', async (spec, text, field) => {
    expect(await refusal('/apis/apps/v1/namespaces/default/deployments', deployment(spec))).toEqual({
      status: 400,
      reason: 'BadRequest',
      message: `Deployment in version "v1" cannot be handled as a Deployment: json: cannot unmarshal ${text}`,
      fields: [field],
    });
  });

  it('is told of a Secret without the value, of a patch as of the whole, and all of them at once', async () => {
    const secrets = '/api/v1/namespaces/default/secrets';
    expect((await refusal(secrets, { metadata: { name: 's' }, data: { key: 12345 } })).message).toBe(
      'Secret in version "v1" cannot be handled as a Secret: json: cannot unmarshal number into Go struct field Secret.data of type []uint8 (data.key)',
    );
    await api.post(MAPS, configMap('typed'));
    const { body } = await api.patch(`${MAPS}/typed`, MERGE, { data: { a: true, b: [] } });
    expect(body.message).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal bool into Go struct field ConfigMap.data of type string (data.a), json: cannot unmarshal array into Go struct field ConfigMap.data of type string (data.b)',
    );
  });
});

describe('create', () => {
  it('answers with the object as it is stored', async () => {
    const { status, body } = await api.post(MAPS, configMap('made', { a: '1' }));
    expect(status).toBe(201);
    expect(body).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: '1' } });
    expect(body.metadata).toMatchObject({ name: 'made', namespace: 'default', uid: expect.any(String) });
    expect(Number(body.metadata.resourceVersion)).toBeGreaterThan(0);
    expect(Date.parse(body.metadata.creationTimestamp)).not.toBeNaN();
    expect((await api.get(`${MAPS}/made`)).body).toEqual(body);
  });

  it('has a generation and empty data only where Kubernetes has them', async () => {
    const secrets = '/api/v1/namespaces/default/secrets';
    for (const query of ['?dryRun=All', '']) {
      const secret = await api.post(secrets + query, { metadata: { name: 'bare' } });
      expect(secret.body).toMatchObject({ type: 'Opaque' });
      expect(secret.body).not.toHaveProperty('data');
      expect(secret.body.metadata).not.toHaveProperty('generation');
      const routed = await api.post(SERVICES + query, virtualService('counted'));
      expect(routed.body.metadata.generation).toBe(1);
    }
  });

  it('refuses a name that is taken', async () => {
    await api.post(MAPS, configMap('twice'));
    const { status, body } = await api.post(MAPS, configMap('twice'));
    expect([status, body.reason, body.message]).toEqual([409, 'AlreadyExists', 'configmaps "twice" already exists']);
    expect(body.details).toEqual({ name: 'twice', kind: 'configmaps' });
  });

  it('makes up a name that begins with generateName', async () => {
    const object = { metadata: { generateName: 'some-' } };
    const names = await Promise.all([1, 2, 3].map(async () => (await api.post(MAPS, object)).body.metadata.name));
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toMatch(/^some-[a-z0-9]{5}$/);
  });

  it('refuses names that are none, as kube-apiserver does', async () => {
    const { body } = await api.post(MAPS, { metadata: {} });
    expect(body.message).toBe(
      'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
    );
    const wrong = await api.post(MAPS, configMap('Not_A_Name'));
    expect(wrong.status).toBe(422);
    expect(wrong.body.details.causes[0]).toMatchObject({ reason: 'FieldValueInvalid', field: 'metadata.name' });
  });

  it('refuses a namespace that is not there', async () => {
    const { status, body } = await api.post('/api/v1/namespaces/nowhere/configmaps', configMap('x'));
    expect([status, body.message]).toEqual([404, 'namespaces "nowhere" not found']);
  });

  it('stores nothing in a dry run', async () => {
    const { status, body } = await api.post(`${MAPS}?dryRun=All`, configMap('dry'));
    expect([status, body.metadata.name]).toEqual([201, 'dry']);
    expect((await api.get(`${MAPS}/dry`)).status).toBe(404);
    expect((await api.post(`${MAPS}?dryRun=Some`, configMap('dry'))).status).toBe(422);
  });

  it('ignores what only the server says of an object', async () => {
    const { body } = await api.post(MAPS, {
      metadata: {
        name: 'forged',
        uid: 'mine',
        generation: 99,
        creationTimestamp: '2001-01-01T00:00:00Z',
        deletionTimestamp: '2001-01-01T00:00:00Z',
      },
    });
    expect(body.metadata.uid).not.toBe('mine');
    expect(body.metadata.creationTimestamp).not.toContain('2001');
    expect(body.metadata.deletionTimestamp).toBeUndefined();
  });

  it('folds stringData of a Secret into data, and its type is Opaque', async () => {
    const secret = { metadata: { name: 's' }, data: { a: 'MQ==' }, stringData: { b: 'two' } };
    const { body } = await api.post('/api/v1/namespaces/default/secrets', secret);
    expect(body).toMatchObject({ type: 'Opaque', data: { a: 'MQ==', b: 'dHdv' } });
    expect(body.stringData).toBeUndefined();
  });
});

describe('versions', () => {
  it('of a kind are one object', async () => {
    const old = '/apis/networking.istio.io/v1alpha3/namespaces/default/virtualservices';
    const created = await api.post(old, { ...virtualService('versions'), apiVersion: 'networking.istio.io/v1alpha3' });
    expect(created.body.apiVersion).toBe('networking.istio.io/v1alpha3');
    const { body } = await api.get(`${SERVICES}/versions`);
    expect(body.apiVersion).toBe('networking.istio.io/v1');
    expect(body.metadata.uid).toBe(created.body.metadata.uid);
  });
});

describe('fields that a kind does not have', () => {
  const wrong = virtualService('unknown', { htp: [], http: [{ route: [{ destination: { host: 'a', prt: 1 } }] }] });

  it('are refused with Strict', async () => {
    const { status, body } = await api.post(`${SERVICES}?fieldValidation=Strict`, wrong);
    expect([status, body.reason]).toEqual([400, 'BadRequest']);
    expect(body.message).toContain('VirtualService in version "v1" cannot be handled as a VirtualService:');
    expect(body.message).toContain('unknown field "spec.htp"');
    expect(body.message).toContain('unknown field "spec.http[0].route[0].destination.prt"');
  });

  it('are dropped with a warning with Warn, which is the default, and without one with Ignore', async () => {
    const { status, body, headers } = await api.post(SERVICES, wrong);
    expect(status).toBe(201);
    expect(headers.warning).toContain('299 - "unknown field \\"spec.htp\\""');
    expect(body.spec.htp).toBeUndefined();
    expect(body.spec.http[0].route[0].destination).toEqual({ host: 'a' });
    const quiet = await api.post(`${SERVICES}?fieldValidation=Ignore&dryRun=All`, {
      ...wrong,
      metadata: { name: 'quiet' },
    });
    expect([quiet.status, quiet.headers.warning]).toEqual([201, undefined]);
  });
});

describe('admission', () => {
  it('refuses values that the schema does not allow, with the field', async () => {
    const { status, body } = await api.post(SERVICES, virtualService('bad', { http: [{ route: 5 }] }));
    expect(status).toBe(422);
    expect(body.details).toMatchObject({ name: 'bad', group: 'networking.istio.io', kind: 'VirtualService' });
    expect(body.details.causes).toEqual([
      {
        reason: 'FieldValueTypeInvalid',
        field: 'spec.http[0].route',
        message: 'Invalid value: "integer": spec.http[0].route in body must be of type array: "integer"',
      },
    ]);
  });

  it("refuses what Istio's webhook refuses, in its words", async () => {
    const gateway = { metadata: { name: 'gw' }, spec: { servers: [] } };
    const { status, body } = await api.post('/apis/networking.istio.io/v1/namespaces/default/gateways', gateway);
    expect(status).toBe(400);
    expect(body.message).toBe(
      'admission webhook "validation.istio.io" denied the request: configuration is invalid: ' +
        'spec.servers: a Gateway needs at least one server (add a server with port and hosts)',
    );
  });

  it('never shows what stands in a Secret', async () => {
    const { body } = await api.post('/api/v1/namespaces/default/secrets', {
      metadata: { name: 'leak' },
      data: { key: 'not base64: hunter2' },
    });
    expect(body.code).toBe(422);
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });

  it('warns of kinds that are stored and not served', async () => {
    const sidecar = { metadata: { name: 'default' }, spec: { egress: [{ hosts: ['*/*'] }] } };
    const { status, headers } = await api.post('/apis/networking.istio.io/v1/namespaces/default/sidecars', sidecar);
    expect(status).toBe(201);
    expect(headers.warning).toContain('Sidecar is stored, not served yet');
  });
});

describe('update', () => {
  it('replaces the object, and refuses a version that is not the newest', async () => {
    const { body: first } = await api.post(MAPS, configMap('updated', { a: '1' }));
    const second = await api.put(`${MAPS}/updated`, { ...first, data: { a: '2' } });
    expect([second.status, second.body.data]).toEqual([200, { a: '2' }]);
    const stale = await api.put(`${MAPS}/updated`, { ...first, data: { a: '3' } });
    expect([stale.status, stale.body.reason]).toEqual([409, 'Conflict']);
    expect(stale.body.message).toBe(
      'Operation cannot be fulfilled on configmaps "updated": the object has been modified; please apply your changes to the latest version and try again',
    );
  });

  it('that changes nothing changes no version', async () => {
    const { body: first } = await api.post(MAPS, configMap('same', { a: '1' }));
    const { body: second } = await api.put(`${MAPS}/same`, first);
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });

  it('refuses another uid, another name, and an object that is not there', async () => {
    const { body } = await api.post(MAPS, configMap('one'));
    const forged = { ...body, metadata: { name: 'one', uid: 'other' } };
    expect((await api.put(`${MAPS}/one`, forged)).status).toBe(409);
    expect((await api.put(`${MAPS}/two`, body)).status).toBe(400);
    expect((await api.put(`${MAPS}/nobody`, configMap('nobody'))).status).toBe(404);
  });

  it('keeps the status, which its subresource changes, and that keeps the rest', async () => {
    const { body: made } = await api.post(SERVICES, { ...virtualService('status'), status: { forged: true } });
    expect(made.status).toBeUndefined();
    const status = { observedGeneration: '1' };
    const written = await api.put(`${SERVICES}/status/status`, { ...made, spec: { hosts: ['x.y'] }, status });
    expect(written.body).toMatchObject({ spec: made.spec, status });
    const { body } = await api.put(`${SERVICES}/status`, { ...written.body, status: { observedGeneration: '7' } });
    expect(body.status).toEqual(status);
    expect(body.metadata.generation).toBe(1);
  });

  it('refuses to change what never changes', async () => {
    const secrets = '/api/v1/namespaces/default/secrets';
    const { body } = await api.post(secrets, { metadata: { name: 'typed' }, type: 'Opaque' });
    const { status, body: refusal } = await api.put(`${secrets}/typed`, { ...body, type: 'example.com/other' });
    expect(status).toBe(422);
    expect(refusal.details.causes[0]).toMatchObject({
      field: 'type',
      message: 'Invalid value: "example.com/other": field is immutable',
    });
  });
});

describe('patch', () => {
  it('is a JSON patch, a merge patch or, for the kinds of Kubernetes, a strategic merge patch', async () => {
    await api.post(MAPS, configMap('patched', { a: '1', b: '2' }));
    const json = [{ op: 'replace', path: '/data/a', value: 'x' }];
    expect((await api.patch(`${MAPS}/patched`, 'application/json-patch+json', json)).body.data.a).toBe('x');
    expect((await api.patch(`${MAPS}/patched`, MERGE, { data: { b: null } })).body.data).toEqual({ a: 'x' });
    const strategic = 'application/strategic-merge-patch+json';
    expect((await api.patch(`${MAPS}/patched`, strategic, { data: { c: '3' } })).body.data).toEqual({ a: 'x', c: '3' });
    await api.post(SERVICES, virtualService('patched'));
    expect((await api.patch(`${SERVICES}/patched`, strategic, {})).status).toBe(415);
  });

  it.each([
    ['application/json-patch+json', '{}', 400],
    ['application/json-patch+json', '[{"op":"nope","path":"/a"}]', 400],
    ['application/json-patch+json', '[{"op":"test","path":"/data/a","value":"other"}]', 422],
    ['application/json-patch+json', '[{"op":"replace","path":"/metadata/name","value":"other"}]', 400],
    ['application/json-patch+json', '[{"op":"add","path":"/__proto__/polluted","value":"yes"}]', [400, 422]],
    [MERGE, '5', 400],
    [MERGE, '[', 400],
    [MERGE, '{"constructor":{"prototype":{"polluted":"yes"}}}', [200, 400, 422]],
    [MERGE, '{"metadata":{"resourceVersion":"1"}}', 409],
    [MERGE, '{"data":{"a":5}}', 400],
    ['application/x-unknown', '{}', 415],
    ['application/apply-patch+yaml', 'a: b', 422],
  ])('of type %s that is %s is answered with %j', async (type, body, status) => {
    await api.post(MAPS, configMap('target', { a: '1' }));
    expect((await api.patch(`${MAPS}/target`, type, body)).status).toBeOneOf([status].flat());
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect((await api.get(`${MAPS}/target`)).body.metadata.name).toBe('target');
  });

  it('notes who changed which field', async () => {
    await api.post(`${MAPS}?fieldManager=maker`, configMap('managed', { a: '1' }));
    const { body } = await api.patch(`${MAPS}/managed?fieldManager=changer`, MERGE, { data: { b: '2' } });
    expect(body.metadata.managedFields).toMatchObject([
      { manager: 'maker', operation: 'Update', fieldsV1: { 'f:data': { 'f:a': {} } } },
      { manager: 'changer', operation: 'Update', fieldsV1: { 'f:data': { 'f:b': {} } } },
    ]);
  });
});

describe('server-side apply', () => {
  const APPLY = 'application/apply-patch+yaml';
  const apply = (manager: string, data: object, query = '') =>
    api.patch(`${MAPS}/applied?fieldManager=${manager}${query}`, APPLY, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'applied' },
      data,
    });

  it('creates nothing by a subresource', async () => {
    const path = '/apis/apps/v1/namespaces/default/deployments/ghost';
    const body = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'ghost' }, status: { replicas: 3 } };
    expect((await api.patch(`${path}/status?fieldManager=one`, APPLY, body)).status).toBe(404);
    expect((await api.get(path)).status).toBe(404);
  });

  it('creates, merges, and refuses to take what another manager owns, unless it is forced', async () => {
    expect((await apply('one', { a: '1' })).status).toBe(201);
    expect((await apply('two', { b: '2' })).body.data).toEqual({ a: '1', b: '2' });
    const { status, body } = await apply('two', { a: 'mine', b: '2' });
    expect([status, body.reason]).toEqual([409, 'Conflict']);
    expect(body.message).toBe('Apply failed with 1 conflict: conflict with "one": .data.a');
    expect(body.details.causes).toEqual([
      { reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' },
    ]);
    expect((await apply('two', { a: 'mine', b: '2' }, '&force=true')).body.data).toEqual({ a: 'mine', b: '2' });
    expect((await apply('two', { b: '2' })).body.data).toEqual({ b: '2' });
  });
});

describe('delete', () => {
  it('answers with a Status, and the object is gone', async () => {
    const { body: made } = await api.post(MAPS, configMap('gone'));
    const { status, body } = await api.delete(`${MAPS}/gone`);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'gone', kind: 'configmaps', uid: made.metadata.uid },
    });
    expect((await api.delete(`${MAPS}/gone`)).status).toBe(404);
  });

  it('waits for finalizers', async () => {
    await api.post(MAPS, { metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    const { body } = await api.delete(`${MAPS}/held`);
    expect(body.metadata.deletionTimestamp).toBeDefined();
    const added = await api.patch(`${MAPS}/held`, MERGE, { metadata: { finalizers: ['example.com/hold', 'x.y/z'] } });
    expect(added.status).toBe(422);
    expect(added.body.message).toContain('no new finalizers can be added if the object is being deleted');
    await api.patch(`${MAPS}/held`, MERGE, { metadata: { finalizers: null } });
    expect((await api.get(`${MAPS}/held`)).status).toBe(404);
  });

  it('holds preconditions', async () => {
    await api.post(MAPS, configMap('careful'));
    for (const preconditions of [{ uid: 'other' }, { resourceVersion: '1' }])
      expect((await api.delete(`${MAPS}/careful`, { preconditions })).status).toBe(409);
    expect((await api.delete(`${MAPS}/careful?propagationPolicy=Sideways`)).status).toBe(422);
    expect((await api.delete(`${MAPS}/careful?dryRun=All`)).status).toBe(200);
    expect((await api.get(`${MAPS}/careful`)).status).toBe(200);
  });

  it('of a collection takes what the selector selects', async () => {
    for (const name of ['c1', 'c2']) await api.post(MAPS, configMap(name, {}, { collect: 'yes' }));
    await api.post(MAPS, configMap('c3', {}, { collect: 'no' }));
    const { body } = await api.delete(`${MAPS}?labelSelector=collect%3Dyes`);
    expect(body.items.map((item: { metadata: { name: string } }) => item.metadata.name)).toEqual(['c1', 'c2']);
    expect((await api.get(`${MAPS}/c3`)).status).toBe(200);
  });
});

describe('scale', () => {
  it('reads and changes the number of replicas', async () => {
    const deployments = '/apis/apps/v1/namespaces/default/deployments';
    const labels = { app: 'x' };
    await api.post(deployments, {
      metadata: { name: 'x' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'x', image: 'x' }] } },
      },
    });
    const { body } = await api.get(`${deployments}/x/scale`);
    expect(body).toMatchObject({ kind: 'Scale', spec: { replicas: 1 }, status: { replicas: 0, selector: 'app=x' } });
    const scaled = await api.put(`${deployments}/x/scale`, { ...body, spec: { replicas: 3 } });
    expect(scaled.body.spec.replicas).toBe(3);
    expect((await api.get(`${deployments}/x`)).body.spec.replicas).toBe(3);
    expect((await api.put(`${deployments}/x/scale`, body)).status).toBe(409);
    expect((await api.patch(`${deployments}/x/scale`, MERGE, { spec: { replicas: -1 } })).status).toBe(422);
  });
});

describe('Services', () => {
  const services = '/api/v1/namespaces/default/services';
  const service = (name: string, spec: object) => ({ metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });

  it('get addresses and node ports of their own, and keep them', async () => {
    const { body } = await api.post(services, service('np', { type: 'NodePort' }));
    expect(body.spec).toMatchObject({ sessionAffinity: 'None', ports: [{ protocol: 'TCP', targetPort: 80 }] });
    expect(body.spec.clusterIP).toMatch(/^10\.(9[6-9]|10\d|11[01])\./);
    const [{ nodePort }] = body.spec.ports;
    expect(nodePort).toBeGreaterThanOrEqual(30000);
    const { spec } = (await api.put(`${services}/np`, { ...body, spec: { type: 'NodePort', ports: [{ port: 80 }] } }))
      .body;
    expect([spec.clusterIP, spec.ports[0].nodePort]).toEqual([body.spec.clusterIP, nodePort]);
    const taken = await api.post(services, service('np2', { type: 'NodePort', ports: [{ port: 1, nodePort }] }));
    expect(taken.body.message).toContain('provided port is already allocated');
    const moved = await api.put(`${services}/np`, { ...body, spec: { ...body.spec, clusterIP: '10.96.9.9' } });
    expect(moved.body.message).toContain('may not change once set');
  });
});
