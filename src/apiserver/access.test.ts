// Who may do what: ServiceAccounts with tokens of their own, Roles, acting as others.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Reply, TestServer } from './test-support.ts';

let api: TestServer;
let time = new Date('2026-05-01T12:00:00Z');
beforeAll(async () => {
  api = await TestServer.start(undefined, { clock: () => time });
});
afterAll(() => api.stop());

const ACCOUNTS = '/api/v1/namespaces/default/serviceaccounts';
const MAPS = '/api/v1/namespaces/default/configmaps';
const RBAC = '/apis/rbac.authorization.k8s.io/v1';

const as = (token: string, more: Record<string, string> = {}) => ({
  authenticated: false,
  headers: { authorization: `Bearer ${token}`, ...more },
});
const requestToken = (name: string, spec: object = {}): Promise<Reply> =>
  api.post(`${ACCOUNTS}/${name}/token`, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec });

/** Makes a ServiceAccount; returns a token of it. */
async function account(name: string, spec: object = {}): Promise<string> {
  await api.post(ACCOUNTS, { metadata: { name } });
  return (await requestToken(name, spec)).body.status.token;
}

const whoAmI = async (token: string): Promise<Reply> =>
  api.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, as(token));

async function grant(name: string, role: string, rules: object[]): Promise<void> {
  await api.post(`${RBAC}/namespaces/default/roles`, { metadata: { name: role }, rules });
  await api.post(`${RBAC}/namespaces/default/rolebindings`, {
    metadata: { name: role },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: role },
    subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
  });
}

describe('a token of a ServiceAccount', () => {
  it('says whose it is and until when, and the server knows its bearer', async () => {
    await api.post(ACCOUNTS, { metadata: { name: 'ci' } });
    const { status, body } = await requestToken('ci');
    expect(status).toBe(201);
    expect(body).toMatchObject({
      kind: 'TokenRequest',
      metadata: { name: 'ci', namespace: 'default' },
      spec: { audiences: ['https://kubernetes.default.svc'], expirationSeconds: 3600 },
      status: { expirationTimestamp: '2026-05-01T13:00:00Z' },
    });
    const { uid } = (await api.get(`${ACCOUNTS}/ci`)).body.metadata;
    const claims = JSON.parse(Buffer.from(body.status.token.split('.')[1], 'base64url').toString());
    expect(claims).toMatchObject({
      iss: 'https://kubernetes.default.svc',
      sub: 'system:serviceaccount:default:ci',
      exp: claims.iat + 3600,
      'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'ci', uid } },
    });
    expect((await whoAmI(body.status.token)).body.status.userInfo).toMatchObject({
      username: 'system:serviceaccount:default:ci',
      uid,
      groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
    });
  });

  it('ends at its time', async () => {
    const token = await account('short', { expirationSeconds: 600 });
    const before = time;
    time = new Date(before.getTime() + 599_000);
    expect((await whoAmI(token)).status).toBe(201);
    time = new Date(before.getTime() + 600_000);
    expect((await whoAmI(token)).status).toBe(401);
    time = before;
  });

  it('ends with its ServiceAccount, also when there is a new one of that name', async () => {
    const token = await account('gone');
    await api.delete(`${ACCOUNTS}/gone`);
    expect((await whoAmI(token)).status).toBe(401);
    await account('gone');
    expect((await whoAmI(token)).status).toBe(401);
  });

  it('ends with the object it is bound to', async () => {
    await api.post('/api/v1/namespaces/default/secrets', { metadata: { name: 'binding' } });
    const token = await account('bound', { boundObjectRef: { kind: 'Secret', apiVersion: 'v1', name: 'binding' } });
    expect((await whoAmI(token)).status).toBe(201);
    await api.delete('/api/v1/namespaces/default/secrets/binding');
    expect((await whoAmI(token)).status).toBe(401);
  });

  it('for another audience is none for this server, but a TokenReview knows it', async () => {
    const token = await account('elsewhere', { audiences: ['vault'] });
    expect((await whoAmI(token)).status).toBe(401);
    const review = (spec: object) => api.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec });
    expect((await review({ token, audiences: ['vault', 'other'] })).body.status).toMatchObject({
      authenticated: true,
      audiences: ['vault'],
      user: { username: 'system:serviceaccount:default:elsewhere' },
    });
    expect((await review({ token })).body.status).toMatchObject({ error: 'invalid bearer token' });
  });

  it('is refused when somebody changed it or signed it himself', async () => {
    const token = await account('forged');
    const [header = '', payload = '', signature = ''] = token.split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const other = encode({ ...claims, sub: 'system:serviceaccount:kube-system:admin' });
    for (const forged of [
      `${header}.${other}.${signature}`,
      `${encode({ alg: 'none', typ: 'JWT' })}.${payload}.`,
      `${encode({ alg: 'HS256', typ: 'JWT' })}.${payload}.${signature}`,
      `${header}.${payload}.`,
      `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
      '..',
      'a.b.c',
    ])
      expect({ forged, status: (await whoAmI(forged)).status }).toEqual({ forged, status: 401 });
  });

  it.each([
    [{ expirationSeconds: 60 }, 'spec.expirationSeconds', 'may not specify a duration less than 10 minutes'],
    [{ expirationSeconds: 2 ** 33 }, 'spec.expirationSeconds', 'may not specify a duration larger than 2^32 seconds'],
    [{ expirationSeconds: 'long' }, 'spec.expirationSeconds', 'must be an integer'],
    [{ audiences: 'vault' }, 'spec.audiences', 'must be a list of strings'],
    [{ boundObjectRef: { kind: 'ConfigMap', name: 'a' } }, 'spec.boundObjectRef.kind', 'supported values: "Pod"'],
  ])('is not made of %j', async (spec, field, message) => {
    await api.post(ACCOUNTS, { metadata: { name: 'picky' } });
    const { status, body } = await requestToken('picky', spec);
    expect([status, body.details.causes[0].field]).toEqual([422, field]);
    expect(body.message).toContain(message);
  });

  it('needs a ServiceAccount and, to be bound, an object that is there', async () => {
    expect((await requestToken('nobody')).body.message).toBe('serviceaccounts "nobody" not found');
    await api.post(ACCOUNTS, { metadata: { name: 'lonely' } });
    const missing = await requestToken('lonely', { boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'nope' } });
    expect(missing.body.message).toBe('pods "nope" not found');
  });
});

describe('whoever is not the administrator', () => {
  it('may ask what there is and who he is, and nothing else', async () => {
    const token = await account('nothing');
    for (const path of ['/api', '/apis', '/apis/apps/v1', '/openapi/v3', '/version', '/readyz'])
      expect({ path, status: (await api.get(path, as(token))).status }).toEqual({ path, status: 200 });
    const { status, body } = await api.get('/api/v1/namespaces/default/secrets/x', as(token));
    expect(status).toBe(403);
    expect(body).toMatchObject({
      reason: 'Forbidden',
      message:
        'secrets "x" is forbidden: User "system:serviceaccount:default:nothing" cannot get resource "secrets" in API group "" in the namespace "default"',
      details: { name: 'x', kind: 'secrets' },
    });
    expect((await api.get('/apis/apps/v1/deployments', as(token))).body.message).toBe(
      'deployments.apps is forbidden: User "system:serviceaccount:default:nothing" cannot list resource "deployments" in API group "apps" at the cluster scope',
    );
    expect((await api.get('/', as(token))).body.message).toBe(
      'User "system:serviceaccount:default:nothing" cannot get path "/"',
    );
    expect((await api.get('/api/v1/namespaces/default/pods/x/exec?command=sh', as(token))).status).toBe(403);
  });

  it('may do what a Role grants in its namespace, and no more', async () => {
    const token = await account('reader');
    await grant('reader', 'reads', [{ verbs: ['get', 'list'], apiGroups: [''], resources: ['configmaps'] }]);
    await api.post(MAPS, { metadata: { name: 'one' } });
    expect((await api.get(MAPS, as(token))).status).toBe(200);
    expect((await api.get(`${MAPS}/one`, as(token))).status).toBe(200);
    expect((await api.get(`${MAPS}?watch=true`, as(token))).status).toBe(403);
    expect((await api.post(MAPS, { metadata: { name: 'two' } }, as(token))).status).toBe(403);
    expect((await api.get('/api/v1/namespaces/kube-system/configmaps', as(token))).status).toBe(403);
    expect((await api.get('/api/v1/configmaps', as(token))).status).toBe(403);
  });

  it('may change what is there by an apply where a rule says patch, and needs create for what is not', async () => {
    const token = await account('patcher');
    await grant('patcher', 'patches', [{ verbs: ['patch'], apiGroups: [''], resources: ['configmaps'] }]);
    const apply = (name: string) =>
      api.patch(
        `${MAPS}/${name}?fieldManager=patcher`,
        'application/apply-patch+yaml',
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: '1' } },
        as(token),
      );
    const refused = await apply('new');
    expect(refused.status).toBe(403);
    expect(refused.body.message).toBe(
      'configmaps "new" is forbidden: User "system:serviceaccount:default:patcher" cannot create resource "configmaps" in API group "" in the namespace "default"',
    );
    expect((await api.get(`${MAPS}/new`)).status).toBe(404);
    await api.post(MAPS, { metadata: { name: 'there' } });
    expect((await apply('there')).status).toBe(200);
  });

  it('may touch only the objects that a rule names, and only the subresource', async () => {
    const token = await account('narrow');
    await grant('narrow', 'narrows', [
      { verbs: ['get'], apiGroups: [''], resources: ['configmaps'], resourceNames: ['mine'] },
      { verbs: ['get'], apiGroups: ['apps'], resources: ['*/scale'] },
    ]);
    expect((await api.get(`${MAPS}/mine`, as(token))).status).toBe(404);
    expect((await api.get(`${MAPS}/other`, as(token))).status).toBe(403);
    const deployment = '/apis/apps/v1/namespaces/default/deployments/web';
    expect((await api.get(`${deployment}/scale`, as(token))).status).toBe(404);
    expect((await api.get(deployment, as(token))).status).toBe(403);
  });

  it('may do everything as cluster-admin, and may read as view, secrets excepted', async () => {
    const bind = (name: string, role: string) =>
      api.post(`${RBAC}/clusterrolebindings`, {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
        subjects: [{ kind: 'ServiceAccount', name, namespace: 'default' }],
      });
    const admin = await account('boss');
    const viewer = await account('viewer');
    await bind('boss', 'cluster-admin');
    await bind('viewer', 'view');
    expect((await api.get('/api/v1/secrets', as(admin))).status).toBe(200);
    expect((await api.post(`${RBAC}/clusterroles`, { metadata: { name: 'more' } }, as(admin))).status).toBe(201);
    expect((await api.get('/apis/networking.istio.io/v1/gateways', as(viewer))).status).toBe(200);
    expect((await api.get('/api/v1/secrets', as(viewer))).status).toBe(403);
    expect((await api.post(MAPS, { metadata: { name: 'no' } }, as(viewer))).status).toBe(403);
  });

  it('can grant himself nothing, though he may write Roles', async () => {
    const token = await account('climber');
    await grant('climber', 'climbs', [{ verbs: ['*'], apiGroups: ['rbac.authorization.k8s.io'], resources: ['*'] }]);
    const binding = { metadata: { name: 'up' }, roleRef: { kind: 'ClusterRole', name: 'cluster-admin' } };
    expect((await api.get(`${RBAC}/namespaces/default/roles`, as(token))).status).toBe(200);
    expect((await api.post(`${RBAC}/namespaces/default/rolebindings`, binding, as(token))).status).toBe(403);
  });

  it('is told what he may', async () => {
    const token = await account('asker');
    await grant('asker', 'asks', [{ verbs: ['get'], apiGroups: [''], resources: ['configmaps'] }]);
    const may = async (resourceAttributes: object) =>
      (
        await api.post(
          '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
          { spec: { resourceAttributes } },
          as(token),
        )
      ).body.status.allowed;
    expect(await may({ verb: 'get', resource: 'configmaps', namespace: 'default' })).toBe(true);
    expect(await may({ verb: 'get', resource: 'configmaps', namespace: 'other' })).toBe(false);
    expect(await may({ verb: 'delete', resource: 'configmaps', namespace: 'default' })).toBe(false);
    const rules = await api.post(
      '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews',
      { spec: { namespace: 'default' } },
      as(token),
    );
    expect(rules.body.status.resourceRules).toContainEqual({
      verbs: ['get'],
      apiGroups: [''],
      resources: ['configmaps'],
    });
  });
});

describe('acting as another', () => {
  const subject = { 'impersonate-user': 'system:serviceaccount:default:someone' };

  it('is for the administrator: he may then do what the other one may', async () => {
    expect((await api.get(MAPS, { headers: subject })).status).toBe(403);
    const { body } = await api.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { headers: subject });
    expect(body.status.userInfo.groups).toEqual([
      'system:serviceaccounts',
      'system:serviceaccounts:default',
      'system:authenticated',
    ]);
    const masters = { 'impersonate-user': 'me', 'impersonate-group': 'system:masters' };
    expect((await api.get(MAPS, { headers: masters })).status).toBe(200);
  });

  it('is not for others', async () => {
    const token = await account('actor');
    const { status, body } = await api.get('/api', as(token, { 'impersonate-user': 'kubernetes-admin' }));
    expect([status, body.message]).toEqual([
      403,
      'users "kubernetes-admin" is forbidden: User "system:serviceaccount:default:actor" cannot impersonate resource "users" in API group "" at the cluster scope',
    ]);
  });
});
