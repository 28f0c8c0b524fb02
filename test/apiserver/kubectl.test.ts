// The real kubectl against the API server: what the walkthroughs type, and what it prints.

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { kubeconfig } from '../../src/apiserver/pki/kubeconfig.ts';
import { TestServer } from '../../src/apiserver/test-support.ts';
import type { Outcome } from '../walkthroughs/limen.ts';
import { describeWith } from '../walkthroughs/tools.ts';
import { type Kubectl, kubectlOf } from './kubectl.ts';

const GATEWAY = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: coolstore-gateway}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 80, name: http, protocol: HTTP}
      hosts: [webapp.istioinaction.io]
`;
const VIRTUAL_SERVICE = `
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata: {name: webapp}
spec:
  hosts: [webapp.istioinaction.io]
  gateways: [coolstore-gateway, mesh]
  http:
    - route:
        - destination: {host: webapp, port: {number: 80}}
`;

describeWith(['kubectl'], 'kubectl', () => {
  let api: TestServer;
  let home: string;
  beforeAll(async () => {
    api = await TestServer.start();
    home = mkdtempSync(join(tmpdir(), 'limen-kubectl-'));
    writeFileSync(join(home, 'kubeconfig'), kubeconfig(api.server.url, api.pki), { mode: 0o600 });
  });
  afterAll(async () => {
    await api.stop();
    rmSync(home, { recursive: true, force: true });
  });

  const kubectl = (...call: Parameters<Kubectl['run']>) => kubectlOf(home).run(...call);
  const ok = (...call: Parameters<Kubectl['ok']>) => kubectlOf(home).ok(...call);
  const table = (...call: Parameters<Kubectl['table']>) => kubectlOf(home).table(...call);

  it('knows the server', async () => {
    expect(await ok('version')).toMatch(/Server Version: v1\.32\./);
    expect(await ok('cluster-info')).toContain(`${api.server.port}`);
    expect(await ok('auth whoami')).toContain('kubernetes-admin');
    expect(await ok('auth can-i create gateways.networking.istio.io')).toBe('yes\n');
    const names = await ok('api-resources --no-headers');
    for (const name of ['gateways', 'virtualservices', 'deployments', 'httproutes', 'customresourcedefinitions'])
      expect(names).toContain(name);
  });

  it("applies, applies again, shows Istio's columns, and deletes", async () => {
    await ok('create namespace istioinaction');
    const manifest = `${GATEWAY}---${VIRTUAL_SERVICE}`;
    const apply = 'apply -n istioinaction -f -';
    expect(await ok(apply, manifest)).toBe(
      'gateway.networking.istio.io/coolstore-gateway created\nvirtualservice.networking.istio.io/webapp created\n',
    );
    expect(await ok(apply, manifest)).toBe(
      'gateway.networking.istio.io/coolstore-gateway unchanged\nvirtualservice.networking.istio.io/webapp unchanged\n',
    );
    expect(await table('get vs -n istioinaction')).toEqual([
      {
        NAME: 'webapp',
        GATEWAYS: '["coolstore-gateway","mesh"]',
        HOSTS: '["webapp.istioinaction.io"]',
        AGE: expect.stringMatching(/^\d+s$/),
      },
    ]);
    expect(await ok('get gw,vs -A -o name')).toBe(
      'gateway.networking.istio.io/coolstore-gateway\nvirtualservice.networking.istio.io/webapp\n',
    );
    expect(await ok('get vs webapp -n istioinaction -o jsonpath={.spec.hosts[0]}')).toBe('webapp.istioinaction.io');
    const changed = manifest.replace('[coolstore-gateway, mesh]', '[coolstore-gateway]');
    const diff = await kubectl('diff -n istioinaction -f -', changed);
    expect([diff.code, diff.stdout]).toEqual([1, expect.stringContaining('-  - mesh')]);
    expect(await ok(apply, changed)).toContain('virtualservice.networking.istio.io/webapp configured');
    expect(await ok('diff -n istioinaction -f -', changed)).toBe('');
    expect(await ok('delete -n istioinaction -f -', manifest)).toContain('"webapp" deleted');
    expect(await ok('delete namespace istioinaction')).toBe('namespace "istioinaction" deleted\n');
    expect((await kubectl('get namespace istioinaction')).stderr).toBe(
      'Error from server (NotFound): namespaces "istioinaction" not found\n',
    );
  });

  it('applies on the server, and is told of conflicts', async () => {
    await ok('apply --server-side -f -', VIRTUAL_SERVICE);
    const other = VIRTUAL_SERVICE.replace('[coolstore-gateway, mesh]', '[mesh]');
    const { code, stderr } = await kubectl('apply --server-side --field-manager=other -f -', other);
    expect(code).toBe(1);
    expect(stderr).toContain('Apply failed with 1 conflict: conflict with "kubectl"');
    expect(stderr).toContain('.spec.gateways');
    expect(await ok('apply --server-side --field-manager=other --force-conflicts -f -', other)).toContain(
      'serverside-applied',
    );
  });

  it.each([
    [
      'a field that is not known',
      VIRTUAL_SERVICE.replace('hosts:', 'hots: []\n  hosts:'),
      'VirtualService in version "v1alpha3" cannot be handled as a VirtualService: strict decoding error: unknown field "spec.hots"',
    ],
    [
      'a value of the wrong type',
      VIRTUAL_SERVICE.replace(/route:.*/s, 'route: yes please'),
      'The VirtualService "webapp" is invalid: spec.http[0].route: Invalid value: "string": spec.http[0].route in body must be of type array: "string"',
    ],
    [
      "what Istio's webhook refuses",
      GATEWAY.replace('webapp.istioinaction.io', 'webapp'),
      'admission webhook "validation.istio.io" denied the request: configuration is invalid: spec.servers[0].hosts[0]',
    ],
    [
      'a kind that is not there',
      'apiVersion: example.com/v1\nkind: Nope\nmetadata: {name: x}',
      'no matches for kind "Nope"',
    ],
    [
      'a namespace that is not there',
      GATEWAY.replace('{name:', '{namespace: nope, name:'),
      'namespaces "nope" not found',
    ],
  ])('is told of %s', async (_, manifest, message) => {
    const { code, stderr } = await kubectl('create -f -', manifest);
    expect(code).toBe(1);
    expect(stderr).toContain(message);
  });

  it('creates, labels, annotates, scales and patches the kinds of Kubernetes', async () => {
    writeFileSync(join(home, 'text'), 'hello');
    expect(await ok(`create secret generic cred --from-literal=a=b --from-file=${join(home, 'text')}`)).toBe(
      'secret/cred created\n',
    );
    expect(await ok('get secret cred -o jsonpath={.data}')).toBe('{"a":"Yg==","text":"aGVsbG8="}');
    expect(await table('get secret cred')).toMatchObject([{ NAME: 'cred', TYPE: 'Opaque', DATA: '2' }]);
    await ok('create configmap settings --from-literal=key=value');
    await ok('create deployment web --image=example.com/web:1 --replicas=2');
    expect(await ok('expose deployment web --port=80 --target-port=8080')).toBe('service/web exposed\n');
    expect(await table('get svc web')).toMatchObject([
      { TYPE: 'ClusterIP', 'EXTERNAL-IP': '<none>', 'PORT(S)': '80/TCP' },
    ]);
    expect(await ok('scale deployment web --replicas=3')).toBe('deployment.apps/web scaled\n');
    expect(await ok('set image deployment/web web=example.com/web:2')).toBe('deployment.apps/web image updated\n');
    expect(await ok('get deploy web -o jsonpath={.spec.replicas},{.spec.template.spec.containers[*].image}')).toBe(
      '3,example.com/web:2',
    );
    expect(await table('get deploy web -o wide')).toMatchObject([
      { READY: '0/3', IMAGES: 'example.com/web:2', SELECTOR: 'app=web' },
    ]);
    expect(await ok('label deployment web tier=front')).toBe('deployment.apps/web labeled\n');
    expect(await ok('get deploy -l tier=front -o name')).toBe('deployment.apps/web\n');
    expect(await ok('annotate deployment web note=hello')).toBe('deployment.apps/web annotated\n');
    expect(await ok('patch deployment web -p {"spec":{"replicas":1}}')).toBe('deployment.apps/web patched\n');
    expect(await ok('describe deployment web')).toMatch(/Replicas: +1 desired/);
    expect(await ok('explain pod.spec.nodeName --output=plaintext-openapiv2')).toMatch(/FIELD: +nodeName <string>/);
    expect(await ok('explain vs.spec.hosts')).toContain('The destination hosts to which traffic is being sent');
    expect(await ok('delete deployment,svc,secret,configmap -l app=web')).toContain('deployment.apps "web" deleted');
  });

  /** `kubectl edit` with an editor that replaces one text by another. */
  function edit(what: string, from: string, to: string): Promise<Outcome> {
    const editor = join(home, 'editor.sh');
    writeFileSync(editor, `#!/bin/sh\nsed 's/${from}/${to}/' "$1" > "$1.new" && mv "$1.new" "$1"\n`, { mode: 0o700 });
    return kubectl(`edit ${what}`, '', { EDITOR: editor, TMPDIR: home });
  }

  it('edits in an editor', async () => {
    await ok('create -f -', GATEWAY.replace('coolstore-gateway', 'edited'));
    expect((await edit('gw edited', 'number: 80', 'number: 8080')).stdout).toBe(
      'gateway.networking.istio.io/edited edited\n',
    );
    expect(await ok('get gw edited -o jsonpath={.spec.servers[0].port.number}')).toBe('8080');
    expect((await edit('gw edited', 'nothing', 'nothing')).stderr).toBe('Edit cancelled, no changes made.\n');
    const { code, stderr } = await edit('gw edited', 'number: 8080$', 'number: 80800');
    expect([code, stderr]).toEqual([1, expect.stringContaining('80800 is no port number')]);
    expect(stderr).toContain('to try this update again');
    expect(await ok('get gw edited -o jsonpath={.spec.servers[0].port.number}')).toBe('8080');
  });

  it('applies and deletes a kustomization', async () => {
    const folder = join(home, 'kustomization');
    mkdirSync(folder);
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      'namePrefix: k-\nnamespace: default\nconfigMapGenerator: [{name: made, literals: [a=b]}]\nresources: [vs.yaml]\n',
    );
    writeFileSync(join(folder, 'vs.yaml'), VIRTUAL_SERVICE);
    expect(await ok(`apply -k ${folder}`)).toMatch(
      /^configmap\/k-made-\w+ created\nvirtualservice\.networking\.istio\.io\/k-webapp created\n$/,
    );
    expect((await ok(`apply -k ${folder}`)).match(/unchanged/g)).toHaveLength(2);
    expect(await ok(`delete -k ${folder}`)).toContain('"k-webapp" deleted');
  });

  it('creates once, and replaces what is there', async () => {
    const file = join(home, 'once.yaml');
    writeFileSync(file, VIRTUAL_SERVICE.replace('{name: webapp}', '{name: once}'));
    const reason = (text: string) => `Error from server (${text.replace('"FILE"', JSON.stringify(file))}\n`;
    const name = 'virtualservices.networking.istio.io "once"';
    expect((await kubectl(`replace -f ${file}`)).stderr).toBe(
      reason(`NotFound): error when replacing "FILE": ${name} not found`),
    );
    await ok(`create -f ${file}`);
    expect((await kubectl(`create -f ${file}`)).stderr).toBe(
      reason(`AlreadyExists): error when creating "FILE": ${name} already exists`),
    );
    expect(await ok(`replace -f ${file}`)).toBe('virtualservice.networking.istio.io/once replaced\n');
    expect(await ok(`replace --force -f ${file}`)).toContain('replaced');
    await ok(`delete -f ${file}`);
    expect((await kubectl(`delete -f ${file}`)).stderr).toBe(
      reason(`NotFound): error when deleting "FILE": ${name} not found`),
    );
  });

  it('watches', async () => {
    await ok('create namespace watched');
    const child = spawn('kubectl', ['get', 'configmaps', '-n', 'watched', '-w', '--no-headers'], {
      env: kubectlOf(home).environment,
    });
    let seen = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const rows = () =>
      seen
        .split('\n')
        .filter((line) => /^seen /.test(line))
        .map((line) => line.split(/\s+/).slice(0, 2));
    await ok('create configmap seen -n watched');
    await api.until('it is seen', () => rows().length === 1);
    await ok('patch configmap seen -n watched -p {"data":{"a":"b"}}');
    await api.until('its change is seen', () => rows().length === 2);
    child.kill();
    await ended;
    expect(rows()).toEqual([
      ['seen', '0'],
      ['seen', '1'],
    ]);
  });

  it('follows a rollout', async () => {
    await ok('create deployment rolled --image=example.com/web:1');
    const waiting = ok('rollout status deployment/rolled --timeout=20s');
    const counts = { replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
    const status = JSON.stringify({ status: { observedGeneration: 1, ...counts } });
    await ok(`patch deployment rolled --subresource=status -p ${status}`);
    expect(await waiting).toContain('deployment "rolled" successfully rolled out');
    expect(await ok('rollout restart deployment/rolled')).toBe('deployment.apps/rolled restarted\n');
  });

  it('asks for paths, and for metrics that nobody measures', async () => {
    expect(await ok('get --raw /readyz')).toBe('ok');
    expect(JSON.parse(await ok('get --raw /api/v1/namespaces/default'))).toMatchObject({ kind: 'Namespace' });
    expect((await kubectl('get --raw /nope')).stderr).toBe(
      'Error from server (NotFound): the server could not find the requested resource\n',
    );
    expect(await kubectl('top pods')).toEqual({ code: 1, stdout: '', stderr: 'error: Metrics API not available\n' });
  });

  it("finds the definitions of Istio's kinds", async () => {
    const name = 'virtualservices.networking.istio.io';
    expect(await table(`get crd ${name}`)).toMatchObject([{ NAME: name }]);
    expect(await ok(`get crd ${name} -o yaml`)).toContain('The destination hosts to which traffic is being sent');
    expect(await ok(`wait --for=condition=Established crd/${name} --timeout=20s`)).toContain('condition met');
    expect(await ok('explain crd')).toContain('CustomResourceDefinition');
    const { code, stderr } = await kubectl(`delete crd ${name}`);
    expect([code, stderr]).toEqual([1, expect.stringContaining('its kind is built in')]);
  });

  it('waits for what happens', async () => {
    await ok('create configmap awaited');
    const waiting = ok('wait --for=jsonpath={.data.done}=yes configmap/awaited --timeout=20s');
    await ok('patch configmap awaited -p {"data":{"done":"yes"}}');
    expect(await waiting).toBe('configmap/awaited condition met\n');
    const gone = ok('wait --for=delete configmap/awaited --timeout=20s');
    await ok('delete configmap awaited');
    await gone;
  });

  const refused = (...call: Parameters<Kubectl['refused']>) => kubectlOf(home).refused(...call);

  it('creates a TLS secret of files, and refuses a key of another certificate', async () => {
    const { server, client } = api.pki;
    const file = (name: string, content: string) => {
      writeFileSync(join(home, name), content, { mode: 0o600 });
      return join(home, name);
    };
    const cert = file('tls.crt', server.certificate);
    expect(await ok(`create secret tls pair --cert=${cert} --key=${file('tls.key', server.key)}`)).toBe(
      'secret/pair created\n',
    );
    expect(await table('get secret pair')).toMatchObject([{ TYPE: 'kubernetes.io/tls', DATA: '2' }]);
    expect(await refused(`create secret tls other --cert=${cert} --key=${file('other.key', client.key)}`)).toContain(
      'private key does not match public key',
    );
  });

  it('prints in every form', async () => {
    await ok('create configmap forms --from-literal=a=1');
    expect(await ok('get cm forms -o name')).toBe('configmap/forms\n');
    expect(await ok('get cm forms -o jsonpath={.data.a}')).toBe('1');
    expect(JSON.parse(await ok('get cm forms -o json'))).toMatchObject({ kind: 'ConfigMap', data: { a: '1' } });
    expect(await ok('get cm forms -o yaml')).toContain('data:\n  a: "1"\nkind: ConfigMap');
    expect(await ok('get cm forms -o custom-columns=N:.metadata.name,A:.data.a')).toMatch(/^N +A\nforms +1\n$/);
    expect(await ok('get cm forms -o go-template={{.data.a}}')).toBe('1');
    expect(await ok('get cm --field-selector=metadata.name=forms --no-headers')).toMatch(/^forms +1 +\d+s\n$/);
    expect(await ok('get cm,secret --sort-by=.metadata.name -o name')).toContain('configmap/forms');
    expect(await ok('get cm forms --show-labels')).toContain('<none>');
  });

  it('patches in three ways, and says what is wrong with a patch', async () => {
    await ok('create configmap patched --from-literal=a=1');
    const patch = (type: string, text: string) => ['patch', 'cm', 'patched', `--type=${type}`, '-p', text];
    await ok(patch('strategic', '{"data":{"b":"2"}}'));
    await ok(patch('merge', '{"data":{"c":"3","a":null}}'));
    await ok(patch('json', '[{"op":"replace","path":"/data/b","value":"two"}]'));
    expect(await ok('get cm patched -o jsonpath={.data}')).toBe('{"b":"two","c":"3"}');
    expect(await refused(patch('json', '[{"op":"replace","path":"/data/x/y","value":"1"}]'))).toContain(
      'replace operation does not apply: doc is missing path: "/data/x/y"',
    );
    expect(await refused(patch('json', '[{"op":"test","path":"/data/b","value":"no"}]'))).toContain(
      'testing value /data/b failed',
    );
    expect(await refused(patch('merge', '{"data":{"b":2}}'))).toContain('of type string (data.b)');
    expect(await refused('patch gw nope --type=merge -p {}')).toBe(
      'Error from server (NotFound): gateways.networking.istio.io "nope" not found\n',
    );
    expect(await refused('patch gw nope --type=strategic -p {}')).toContain('not found');
  });

  it('changes nothing in a dry run on the server, and shows what it would', async () => {
    expect(await ok('create configmap dry --from-literal=a=1 --dry-run=server')).toBe(
      'configmap/dry created (server dry run)\n',
    );
    expect(await refused('get cm dry')).toBe('Error from server (NotFound): configmaps "dry" not found\n');
    await ok('create configmap dry --from-literal=a=1');
    expect(await ok('delete cm dry --dry-run=server')).toBe('configmap "dry" deleted (server dry run)\n');
    expect(await ok('label cm dry a=b --dry-run=server')).toContain('labeled');
    expect(await ok('get cm dry -o jsonpath={.metadata.labels}')).toBe('');
    expect(await refused('apply --dry-run=server -f -', GATEWAY.replace('number: 80', 'number: 80000'))).toContain(
      '80000 is no port number',
    );
  });

  it('deletes what an object owns with it, before it, or not at all', async () => {
    const owned = (kind: string) => ok(`get ${kind} -l app=owner -o name`);
    for (const how of ['background', 'foreground', 'orphan']) {
      await ok('create deployment owner --image=example.com/web:1 --replicas=0');
      const uid = await ok('get deployment owner -o jsonpath={.metadata.uid}');
      const owner = `{apiVersion: apps/v1, kind: Deployment, name: owner, uid: ${uid}, blockOwnerDeletion: true}`;
      await ok(
        'create -f -',
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: owned, labels: {app: owner}, ownerReferences: [${owner}]}`,
      );
      expect(await ok(`delete deployment owner --cascade=${how}`)).toBe('deployment.apps "owner" deleted\n');
      if (how === 'orphan') expect(await owned('cm')).toBe('configmap/owned\n');
      else await api.until('what it owned is gone', async () => (await owned('cm')) === '');
      expect(await owned('deployments')).toBe('');
    }
    expect(await ok('get cm owned -o jsonpath={.metadata.ownerReferences}')).toBe('');
  });

  it('makes tokens of ServiceAccounts, which may do what a binding grants', async () => {
    await ok('create serviceaccount ci');
    const token = (await ok('create token ci --duration=1h')).trim();
    const asCi = (args: string) => ['--kubeconfig=/dev/null', ...server(), `--token=${token}`, ...args.split(' ')];
    expect(await ok(asCi('auth whoami -o jsonpath={.status.userInfo.username}'))).toBe(
      'system:serviceaccount:default:ci',
    );
    expect(await refused(asCi('get gateways.networking.istio.io'))).toBe(
      'Error from server (Forbidden): gateways.networking.istio.io is forbidden: User "system:serviceaccount:default:ci" cannot list resource "gateways" in API group "networking.istio.io" in the namespace "default"\n',
    );
    await ok('create rolebinding ci --clusterrole=view --serviceaccount=default:ci');
    await ok(asCi('get gateways.networking.istio.io'));
    expect((await kubectl('auth can-i list secrets --as=system:serviceaccount:default:ci')).stdout).toBe('no\n');
    expect(await ok('auth can-i list pods --as=system:serviceaccount:default:ci')).toBe('yes\n');
    expect(await refused('create token nobody')).toBe(
      'error: failed to create token: serviceaccounts "nobody" not found\n',
    );
    expect(await refused('create token ci --duration=1m')).toContain('less than 10 minutes');
  });

  /** Flags that lead to the server without credentials. */
  function server(): string[] {
    writeFileSync(join(home, 'ca.crt'), api.pki.ca);
    return [`--server=${api.server.url}`, `--certificate-authority=${join(home, 'ca.crt')}`];
  }

  it('gets nothing with wrong credentials, none, or a server that is not the one of the kubeconfig', async () => {
    const stranger = (more: string[]) => refused(['--kubeconfig=/dev/null', ...more, 'get', 'secrets']);
    expect(await stranger([...server(), '--token=wrong'])).toContain('Unauthorized');
    expect(await stranger([...server(), '--username=x', '--password=y'])).toContain('Unauthorized');
    expect(await stranger([`--server=${api.server.url}`, `--token=${api.pki.token}`])).toContain(
      'certificate signed by unknown authority',
    );
  });

  it('describes every kind there is', async () => {
    const kinds = (await ok('api-resources --verbs=list,get -o name')).trim().split('\n');
    expect(kinds.length).toBeGreaterThan(35);
    await ok('create -f -', GATEWAY.replace('coolstore-gateway', 'described'));
    for (const kind of kinds) {
      const { code, stderr } = await kubectl(['describe', kind]);
      expect({ kind, code, stderr: stderr.replace(/^No resources found.*\n/, '') }).toEqual({
        kind,
        code: 0,
        stderr: '',
      });
    }
    expect(await ok('describe gw described')).toMatch(
      /Kind: +Gateway[\s\S]*Servers:\n +Hosts:\n +webapp.istioinaction.io/,
    );
    expect(await ok('describe node limen')).toMatch(/Ready +True/);
  });

  it('explains fields of every group', async () => {
    for (const [path, text] of [
      ['gateway.spec.servers.tls.mode', 'FIELD: mode <string>'],
      ['httproute.spec.rules.matches.path.type', 'FIELD: type <string>'],
      ['deployment.spec.strategy.rollingUpdate', 'FIELD: rollingUpdate'],
      ['telemetry.spec.tracing', 'FIELD: tracing'],
    ] as const)
      expect(await ok(`explain ${path}`)).toContain(text);
    expect((await kubectl('explain gateway.spec.nope')).stderr).toContain('field "nope" does not exist');
  });

  it('says clearly what there is not', async () => {
    expect(await refused('get hpa')).toBe('error: the server doesn\'t have a resource type "hpa"\n');
    await ok('create deployment scaled --image=example.com/web:1');
    expect(await refused('autoscale deployment scaled --max=3')).toMatch(
      /^Error from server \(NotFound\): .*: there are no horizontalpodautoscalers in autoscaling\/v\d here \(kubectl api-resources/,
    );
    expect(await refused('top nodes')).toBe('error: Metrics API not available\n');
    expect(await refused('create job x --image=example.com/web:1')).toContain('there are no jobs in batch/v1 here');
    expect(await refused('get gatway')).toContain('the server doesn\'t have a resource type "gatway"');
  });

  it('shows its own configuration without the keys', async () => {
    const view = await ok('config view');
    expect(view).toContain(`server: ${api.server.url}`);
    expect(view).toContain('client-key-data: DATA+OMITTED');
    expect(await ok('config current-context')).toBe('limen\n');
  });

  it('warns of kinds that are stored and not served', async () => {
    const { code, stderr } = await kubectl('create ingress web --rule=a.example/=web:80');
    expect(code).toBe(0);
    expect(stderr).toContain('Warning: Ingress is stored, not served yet');
  });
});
