import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyFileObject } from '../../resources/managed-fields/file-objects.ts';
import { Store } from '../../store/store.ts';
import { configMap, TestServer } from '../test-support.ts';

let api: TestServer;
beforeAll(async () => {
  api = await TestServer.start();
});
afterAll(() => api.stop());

const NAMESPACES = '/api/v1/namespaces';
const MAPS = `${NAMESPACES}/default/configmaps`;
const status = async (path: string) => (await api.get(path)).status;
const gone = (path: string) => api.until(`${path} is gone`, async () => (await status(path)) === 404);

describe('namespaces', () => {
  it('that everything needs are there, active and with their label', async () => {
    const { body } = await api.get(NAMESPACES);
    const names = body.items.map((item: { metadata: { name: string } }) => item.metadata.name);
    expect(names).toEqual(['default', 'istio-system', 'kube-node-lease', 'kube-public', 'kube-system']);
    for (const { metadata, status: shown } of body.items) {
      expect(metadata.labels).toEqual({ 'kubernetes.io/metadata.name': metadata.name });
      expect(shown).toEqual({ phase: 'Active' });
    }
  });

  it('get a default ServiceAccount', async () => {
    await api.post(NAMESPACES, { metadata: { name: 'with-account' } });
    const path = `${NAMESPACES}/with-account/serviceaccounts/default`;
    await api.until('the account is there', async () => (await status(path)) === 200);
    await api.delete(path);
    await api.until('the account is there again', async () => (await status(path)) === 200);
  });

  it('that a file brought get what it did not say of them', async () => {
    api.store.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'from-file' } });
    await api.until('it is active', async () => (await api.get(`${NAMESPACES}/from-file`)).body.status !== undefined);
    const { body } = await api.get(`${NAMESPACES}/from-file`);
    expect(body.metadata.labels).toEqual({ 'kubernetes.io/metadata.name': 'from-file' });
  });

  it('that files only put objects into are made, so that others can put theirs there', async () => {
    api.store.apply('a.yaml', [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'it', namespace: 'only-named' } },
    ]);
    await api.until(
      'it is active',
      async () => (await api.get(`${NAMESPACES}/only-named`)).body.status?.phase === 'Active',
    );
    expect((await api.post(`${NAMESPACES}/only-named/configmaps`, configMap('mine'))).status).toBe(201);
  });

  it('that a file takes away stay while they hold what others made, and go when they hold nothing', async () => {
    const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    api.store.apply('a.yaml', [namespace('in-use'), namespace('unused')]);
    const isActive = async (name: string) => (await api.get(`${NAMESPACES}/${name}`)).body.status?.phase === 'Active';
    await api.until('both are active', async () => (await isActive('in-use')) && (await isActive('unused')));
    await api.post(`${NAMESPACES}/in-use/configmaps`, configMap('mine'));
    api.store.apply('a.yaml', []);
    await api.until('it is active', () => isActive('in-use'));
    expect(await status(`${NAMESPACES}/in-use/configmaps/mine`)).toBe(200);
    expect(await status(`${NAMESPACES}/unused`)).toBe(404);
  });

  it('that are deleted are emptied first, and take nothing new meanwhile', async () => {
    await api.post(NAMESPACES, { metadata: { name: 'leaving' } });
    const maps = `${NAMESPACES}/leaving/configmaps`;
    await api.post(maps, configMap('free'));
    await api.post(maps, { metadata: { name: 'held', finalizers: ['example.com/hold'] } });
    const deleted = await api.delete(`${NAMESPACES}/leaving`);
    expect(deleted.body).toMatchObject({ kind: 'Namespace', status: { phase: 'Terminating' } });
    await gone(`${maps}/free`);
    const refused = await api.post(maps, configMap('new'));
    expect([refused.status, refused.body.details.causes[0].reason]).toEqual([403, 'NamespaceTerminating']);
    expect(await status(`${NAMESPACES}/leaving`)).toBe(200);
    await api.patch(`${maps}/held`, 'application/merge-patch+json', { metadata: { finalizers: null } });
    await gone(`${NAMESPACES}/leaving`);
    expect(await status(`${maps}/held`)).toBe(404);
  });

  it('without which nothing works stay', async () => {
    expect((await api.delete(`${NAMESPACES}/default`)).status).toBe(403);
  });
});

describe('the Service kubernetes, and the node', () => {
  it.each([
    `${NAMESPACES}/default/services/kubernetes`,
    `${NAMESPACES}/default/endpoints/kubernetes`,
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes',
    '/api/v1/nodes/limen',
  ])('comes back: %s', async (path) => {
    const { uid } = (await api.get(path)).body.metadata;
    expect((await api.delete(path)).status).toBe(200);
    await api.until('it is there again', async () => (await status(path)) === 200);
    expect((await api.get(path)).body.metadata.uid).not.toBe(uid);
  });
});

describe('the node', () => {
  it('is as it was told to be when Limen starts again', async () => {
    const told = { metadata: { name: 'limen', labels: { disk: 'ssd' } }, spec: { unschedulable: true } };
    const store = new Store();
    store.put({ apiVersion: 'v1', kind: 'Node', ...told });
    const again = await TestServer.start(store);
    try {
      const { body } = await again.get('/api/v1/nodes/limen');
      expect(body).toMatchObject(told);
      expect(body.status.conditions.at(-1)).toMatchObject({ type: 'Ready', status: 'True' });
    } finally {
      await again.stop();
    }
  });
});

describe('owned objects', () => {
  /** An owner, and objects that it owns. */
  async function family(name: string, fields: object = {}): Promise<{ owner: string; owned: string }> {
    const { body } = await api.post(MAPS, configMap(name));
    const { uid } = body.metadata;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid, blockOwnerDeletion: true }];
    await api.post(MAPS, { metadata: { name: `${name}-child`, ownerReferences, ...fields } });
    return { owner: `${MAPS}/${name}`, owned: `${MAPS}/${name}-child` };
  }

  it('go after their owner', async () => {
    const { owner, owned } = await family('background');
    await api.delete(owner);
    expect(await status(owner)).toBe(404);
    await gone(owned);
  });

  it('go before their owner with foreground deletion', async () => {
    const { owner, owned } = await family('foreground', { finalizers: ['example.com/hold'] });
    const { body } = await api.delete(`${owner}?propagationPolicy=Foreground`);
    expect(body.metadata.finalizers).toEqual(['foregroundDeletion']);
    await api.until('the child is leaving', async () => (await api.get(owned)).body.metadata.deletionTimestamp);
    expect(await status(owner)).toBe(200);
    await api.patch(owned, 'application/merge-patch+json', { metadata: { finalizers: null } });
    await gone(owner);
    expect(await status(owned)).toBe(404);
  });

  it('stay without their owner when they are orphaned', async () => {
    const { owner, owned } = await family('orphan');
    await api.delete(owner, { propagationPolicy: 'Orphan' });
    await gone(owner);
    expect((await api.get(owned)).body.metadata.ownerReferences).toBeUndefined();
  });

  it('go at the next start where Limen was killed after their owner went and before they did', async () => {
    const child = (name: string, uid: string) => ({
      ...{ apiVersion: 'v1', kind: 'ConfigMap' },
      metadata: {
        ...{ name, namespace: 'default' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }],
      },
    });
    const store = new Store({ merge: applyFileObject() });
    store.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owner', namespace: 'default', uid: 'here' } });
    for (const object of [child('kept', 'here'), child('left', 'gone')]) store.put(object);
    store.apply('exported.yaml', [child('of-file', 'of-another-cluster')]);
    const next = await TestServer.start(store);
    try {
      await next.until('what was left is gone', async () => (await next.get(`${MAPS}/left`)).status === 404);
      for (const name of ['kept', 'of-file']) expect((await next.get(`${MAPS}/${name}`)).status).toBe(200);
    } finally {
      await next.stop();
    }
  });

  it('stay while another owner is there', async () => {
    const { owner, owned } = await family('shared');
    const { body: other } = await api.post(MAPS, configMap('other-owner'));
    const { body } = await api.get(owned);
    const more = { apiVersion: 'v1', kind: 'ConfigMap', name: 'other-owner', uid: other.metadata.uid };
    await api.patch(owned, 'application/merge-patch+json', {
      metadata: { ownerReferences: [...body.metadata.ownerReferences, more] },
    });
    await api.delete(owner);
    await api.until(
      'one owner is left',
      async () => (await api.get(owned)).body.metadata.ownerReferences?.length === 1,
    );
  });
});

describe('CustomResourceDefinitions', () => {
  const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const TABS = '/apis/stable.example.com/v1/namespaces/default/crontabs';
  const definition = (spec: object = {}) => ({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'crontabs.stable.example.com' },
    spec: {
      group: 'stable.example.com',
      scope: 'Namespaced',
      names: { plural: 'crontabs', kind: 'CronTab', shortNames: ['ct'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
          },
          additionalPrinterColumns: [{ name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' }],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  required: ['cronSpec'],
                  properties: {
                    cronSpec: { type: 'string', pattern: '^[0-9* ]+$' },
                    replicas: { type: 'integer', default: 1, minimum: 1 },
                  },
                },
                status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
              },
            },
          },
        },
      ],
      ...spec,
    },
  });

  it('bring a kind with schema, defaults, columns and subresources, and take its objects along', async () => {
    expect(await status(TABS)).toBe(404);
    expect((await api.post(CRDS, definition())).status).toBe(201);
    const path = `${CRDS}/crontabs.stable.example.com`;
    await api.until('it is established', async () => {
      const { body } = await api.get(path);
      return body.status?.conditions?.some(
        (condition: { type: string; status: string }) =>
          condition.type === 'Established' && condition.status === 'True',
      );
    });
    const tab = (cronSpec: unknown) => ({ metadata: { name: 'my' }, spec: { cronSpec, extra: 1 } });
    const refused = await api.post(TABS, tab('every day'));
    expect(refused.body.message).toContain("spec.cronSpec in body should match '^[0-9* ]+$'");
    const { body, headers } = await api.post(TABS, tab('* *'));
    expect(body.spec).toEqual({ cronSpec: '* *', replicas: 1 });
    expect(headers.warning).toContain('unknown field \\"spec.extra\\"');
    const table = await api.get(TABS, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
    expect(table.body.columnDefinitions.map((column: { name: string }) => column.name)).toEqual(['Name', 'Spec']);
    expect(table.body.rows[0].cells).toEqual(['my', '* *']);
    expect((await api.get(`${TABS}/my/scale`)).body.spec).toEqual({ replicas: 1 });
    const groups = await api.get('/apis');
    expect(groups.body.groups.map((group: { name: string }) => group.name)).toContain('stable.example.com');
    await api.delete(path);
    await gone(path);
    expect(await status(TABS)).toBe(404);
    expect(api.store.snapshot.listOf('CronTab.stable.example.com')).toEqual([]);
  });

  const conditions = async (name: string) => {
    const { body } = await api.get(`${CRDS}/${name}`);
    const list: { type: string; status: string; reason: string; message: string }[] = body.status?.conditions ?? [];
    return Object.fromEntries(
      list.map(({ type, status: is, reason, message }) => [type, `${is} ${reason}: ${message}`]),
    );
  };
  const named = (plural: string, kind: string, more: object = {}) => ({
    ...definition({ group: 'names.example.com', names: { plural, kind, ...more } }),
    metadata: { name: `${plural}.names.example.com` },
  });

  it('with rules in CEL say that these are not evaluated', async () => {
    const rules = [{ rule: 'self.spec.replicas < 5' }];
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-validations': rules } };
    const versions = [{ name: 'v1', served: true, storage: true, schema }];
    const { body, headers } = await api.post(`${CRDS}?dryRun=All`, definition({ versions }));
    expect(body.spec.versions[0].schema).toEqual(schema);
    expect(headers.warning).toContain('spec.versions[0].schema: rules in CEL (x-kubernetes-validations) are kept');
  });

  it('whose names another one has wait for them', async () => {
    await api.post(CRDS, named('firsts', 'Same'));
    await api.post(CRDS, named('seconds', 'Same'));
    await api.post(CRDS, named('thirds', 'Third', { shortNames: ['firsts'] }));
    await api.until(
      'all have conditions',
      async () => (await conditions('thirds.names.example.com')).Established !== undefined,
    );
    expect(await conditions('seconds.names.example.com')).toEqual({
      NamesAccepted: 'False ListKindConflict: "SameList" is already in use',
      Established: 'False NotAccepted: not all names are accepted',
    });
    expect(await conditions('thirds.names.example.com')).toEqual({
      NamesAccepted: 'False ShortNamesConflict: "firsts" is already in use',
      Established: 'False NotAccepted: not all names are accepted',
    });
    const at = (plural: string) => `/apis/names.example.com/v1/namespaces/default/${plural}`;
    expect([await status(at('firsts')), await status(at('seconds')), await status(at('thirds'))]).toEqual([
      200, 404, 404,
    ]);
    await api.post(at('firsts'), { metadata: { name: 'kept' }, spec: { cronSpec: '*' } });
    await api.delete(`${CRDS}/seconds.names.example.com`);
    await gone(`${CRDS}/seconds.names.example.com`);
    expect(await status(`${at('firsts')}/kept`)).toBe(200);
    await api.delete(`${CRDS}/firsts.names.example.com`);
    await api.until('the name is free', async () => (await status(at('thirds'))) === 200);
  });

  it("can't take the names of built-in kinds", async () => {
    const name = 'gates.networking.istio.io';
    const names = { plural: 'gates', kind: 'Gateway' };
    await api.post(CRDS, { ...definition({ group: 'networking.istio.io', names }), metadata: { name } });
    await api.until('it has conditions', async () => (await conditions(name)).NamesAccepted !== undefined);
    expect((await conditions(name)).NamesAccepted).toMatch(/^False ListKindConflict/);
    expect(await status('/apis/networking.istio.io/v1/namespaces/default/gates')).toBe(404);
    await api.delete(`${CRDS}/${name}`);
    await gone(`${CRDS}/${name}`);
    expect(await status('/apis/networking.istio.io/v1/namespaces/default/gateways')).toBe(200);
  });

  it('have columns of their own in each version', async () => {
    const [version] = definition().spec.versions;
    const wide = {
      ...version,
      name: 'v2',
      storage: false,
      additionalPrinterColumns: [{ name: 'Two', type: 'string', jsonPath: '.spec.replicas' }],
    };
    const plain = { ...version, name: 'v3', storage: false, additionalPrinterColumns: undefined };
    await api.post(CRDS, {
      ...named('columns', 'Column'),
      spec: { ...named('columns', 'Column').spec, versions: [version, wide, plain] },
    });
    const columns = async (of: string) => {
      const path = `/apis/names.example.com/${of}/namespaces/default/columns`;
      await api.until('it is served', async () => (await status(path)) === 200);
      const { body } = await api.get(path, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
      return body.columnDefinitions.map((column: { name: string }) => column.name);
    };
    expect([await columns('v1'), await columns('v2'), await columns('v3')]).toEqual([
      ['Name', 'Spec'],
      ['Name', 'Two'],
      ['Name', 'Age'],
    ]);
  });

  it("of Istio's and the Gateway API's kinds are there, whole, and stay", async () => {
    const { body } = await api.get(CRDS);
    const names = body.items.map((item: { metadata: { name: string } }) => item.metadata.name);
    expect(names).toEqual(
      expect.arrayContaining(['virtualservices.networking.istio.io', 'httproutes.gateway.networking.k8s.io']),
    );
    const path = `${CRDS}/virtualservices.networking.istio.io`;
    const { body: shown } = await api.get(path);
    expect(shown.spec.versions.map(({ name, storage }: { name: string; storage: boolean }) => [name, storage])).toEqual(
      [
        ['v1', true],
        ['v1beta1', false],
        ['v1alpha3', false],
      ],
    );
    for (const { schema, additionalPrinterColumns } of shown.spec.versions) {
      expect(schema.openAPIV3Schema.properties.spec.properties.hosts.items).toEqual({ type: 'string' });
      expect(additionalPrinterColumns.map(({ name }: { name: string }) => name)).toEqual(['Gateways', 'Hosts', 'Age']);
    }
    expect(JSON.stringify(body)).not.toContain('$ref');
    expect((await conditions('virtualservices.networking.istio.io')).Established).toMatch(/^True/);
    const refused = await api.delete(path);
    expect([refused.status, refused.body.message]).toEqual([
      403,
      'customresourcedefinitions.apiextensions.k8s.io "virtualservices.networking.istio.io" is forbidden: its kind is built in: it is served with its definition or without it',
    ]);
  });

  it.each([
    ['a name that is not plural and group', { group: 'other.example.com' }, 'metadata.name'],
    ['a scope that is none', { scope: 'Galaxy' }, 'spec.scope'],
    ['no version', { versions: [] }, 'spec.versions'],
    ['a version without a schema', { versions: [{ name: 'v1', served: true, storage: true }] }, 'schema'],
  ])('are refused with %s', async (_, spec, field) => {
    const { status: code, body } = await api.post(CRDS, definition(spec));
    expect(code).toBe(422);
    expect(body.message).toContain(field);
  });
});
