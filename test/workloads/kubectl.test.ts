// The real kubectl against workloads that run: what it starts, rolls out, takes back, shows and reaches.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Kubectl, kubectlOf } from '../apiserver/kubectl.ts';
import { Limen } from '../walkthroughs/limen.ts';
import { describeWith } from '../walkthroughs/tools.ts';

const IMAGE = 'nicholasjackson/fake-service:v0.17.1';

/** A Deployment as people write it and as `kubectl create --dry-run=client -o yaml` writes it: nulls, empty maps, nothing that has a default. */
const FROM_FILE = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: filed, creationTimestamp: null }
spec:
  selector: { matchLabels: { app: filed } }
  strategy: {}
  template:
    metadata: { labels: { app: filed }, creationTimestamp: null }
    spec:
      containers:
        - name: main
          image: ${IMAGE}
          resources: {}
          env: [{ name: NAME, value: filed }, { name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
          ports: [{ containerPort: 9090 }]
          readinessProbe: { httpGet: { port: 9090 } }
status: {}
`;

const SUBSETS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: shop }
spec:
  host: shop
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: shop }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["shop.example"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: shop }
spec:
  hosts: [shop.example]
  gateways: [shop]
  http: [{ route: [{ destination: { host: shop, subset: v2 } }] }]
`;

describeWith(['kubectl', 'curl'], 'kubectl with workloads', () => {
  let limen: Limen;
  let home: string;
  let kubectl: Kubectl;
  beforeAll(async () => {
    limen = await Limen.start([80, 443], ['--api-port', '0']);
    home = mkdtempSync(join(tmpdir(), 'limen-kubectl-'));
    kubectl = kubectlOf(home, join(limen.home, 'kubeconfig'));
  });
  afterAll(async () => {
    rmSync(home, { recursive: true, force: true });
    expect(await limen.stop()).toMatchObject({ code: 0, left: [] });
  });
  const ok = (...call: Parameters<Kubectl['ok']>) => kubectl.ok(...call);

  it('runs a pod, exposes it, reads its log, and tells what happened in its order', async () => {
    await ok(`run one --image=${IMAGE} --port=9090 --expose`);
    await ok('wait --for=condition=Ready pod/one --timeout=20s');
    expect(await ok('get endpoints one -o jsonpath={.subsets[0].ports[0].port}')).toBe('9090');
    expect(await ok('logs one')).not.toBe('');
    const described = await ok('describe pod one');
    const reasons = [...described.slice(described.indexOf('Events:')).matchAll(/Normal +(\w+)/g)].map(
      ([, reason]) => reason,
    );
    expect(reasons).toEqual(['Scheduled', 'Pulled', 'Created', 'Started']);
    expect(await ok('exec one -- printenv HOSTNAME')).toBe('one\n');
    expect(await ok('delete pod one --now')).toContain('"one" deleted');
    expect((await kubectl.run('get pod one')).stderr).toContain('"one" not found');
  });

  it('rolls out, restarts, takes back, pauses and scales a Deployment', async () => {
    await ok(`create deployment rolled --image=${IMAGE} --port=9090`);
    const rolledOut = async () =>
      expect(await ok('rollout status deployment/rolled --timeout=25s')).toContain('successfully rolled out');
    const revisions = async () =>
      [...(await ok('rollout history deployment/rolled')).matchAll(/^(\d+) /gm)].map(([, number]) => number);
    const message = () => ok('get deployment rolled -o jsonpath={.spec.template.spec.containers[0].env[*].value}');
    await rolledOut();
    await ok('set env deployment/rolled MESSAGE=two');
    await rolledOut();
    expect([await revisions(), await message()]).toEqual([['1', '2'], 'two']);
    expect(await ok('rollout history deployment/rolled --revision=2')).toContain('MESSAGE:\ttwo');
    await ok('rollout undo deployment/rolled');
    await rolledOut();
    expect([await revisions(), await message()]).toEqual([['2', '3'], '']);
    await ok('rollout undo deployment/rolled --to-revision=2');
    await rolledOut();
    expect([await revisions(), await message()]).toEqual([['3', '4'], 'two']);
    await ok('rollout pause deployment/rolled');
    await ok('set env deployment/rolled MESSAGE=three');
    expect(await revisions()).toEqual(['3', '4']);
    await ok('rollout resume deployment/rolled');
    await rolledOut();
    await ok('rollout restart deployment/rolled');
    await rolledOut();
    expect(await revisions()).toEqual(['3', '4', '5', '6']);
    await ok('scale deployment rolled --replicas=2 --current-replicas=1');
    await ok('wait --for=jsonpath={.status.readyReplicas}=2 deployment/rolled --timeout=20s');
    await limen.until('two pods are left', async () =>
      /^(pod\/rolled-\S+\n){2}$/.test(await ok('get pods -l app=rolled -o name')),
    );
    await ok('delete deployment rolled');
    await ok('wait --for=delete pod -l app=rolled --timeout=20s');
  });

  it('of a Deployment from a file changes what it says and starts no pod anew', async () => {
    limen.apply('filed.yaml', FROM_FILE);
    await limen.until('there is the Deployment', async () => (await kubectl.run('get deployment filed')).code === 0);
    await ok('wait --for=condition=Available deployment/filed --timeout=20s');
    const before = await ok('get rs,pods -l app=filed -o name');
    await ok('label deployment filed tier=back');
    await ok('annotate deployment filed note=hello');
    await ok('scale deployment filed --replicas=2');
    await ok('wait --for=jsonpath={.status.readyReplicas}=2 deployment/filed --timeout=20s');
    await ok('scale deployment filed --replicas=1');
    await limen.until(
      'there is one pod again, the older one',
      async () => (await ok('get rs,pods -l app=filed -o name')) === before,
    );
  });

  it('gives a running pod other labels: Services, subsets and the gateway follow', async () => {
    await ok(`run shop-a --image=${IMAGE} --labels=app=shop,version=v1 --env=MESSAGE=a`);
    await ok('create service clusterip shop --tcp=80:9090');
    await ok('apply -f -', SUBSETS);
    await ok('wait --for=condition=Ready pod/shop-a --timeout=20s');
    expect((await limen.untilStatus(503, 'http://shop.example/')).status).toBe(503);
    const cluster = (subset: string) => [
      'endpoints',
      '--cluster',
      `outbound|80|${subset}|shop.default.svc.cluster.local`,
    ];
    expect(await limen.table(...cluster('v1'))).toHaveLength(1);
    await ok('label pod shop-a version=v2 --overwrite');
    expect((await limen.untilStatus(200, 'http://shop.example/')).body).toContain('"a"');
    expect(await limen.table(...cluster('v1'))).toHaveLength(0);
    expect(await limen.table(...cluster('v2'))).toHaveLength(1);
    await ok('label pod shop-a app=other --overwrite');
    await limen.untilStatus(503, 'http://shop.example/');
    expect(await ok('get endpoints shop -o jsonpath={.subsets}')).toBe('');
  });

  it('takes a pod aside by a label: its ReplicaSet makes another one', async () => {
    await ok(`create deployment aside --image=${IMAGE}`);
    await ok('wait --for=condition=Available deployment/aside --timeout=20s');
    const [pod = ''] = (await ok('get pods -l app=aside -o name')).split('\n');
    await ok(`label ${pod} app=looked-at --overwrite`);
    await limen.until('there is another one', async () => (await ok('get pods -l app=aside -o name')) !== '');
    expect(await ok(`get ${pod} -o jsonpath={.status.phase},{.metadata.ownerReferences}`)).toBe('Running,');
  });

  it('reaches the API by a proxy of its own', async () => {
    const child = spawn('kubectl', ['proxy', '--port=0'], { env: kubectl.environment });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    await limen.until('it serves', () => /127\.0\.0\.1:\d+/.test(said));
    const url = `http://${/127\.0\.0\.1:\d+/.exec(said)?.[0]}/api/v1/namespaces/default`;
    expect(await (await fetch(url)).json()).toMatchObject({ kind: 'Namespace' });
    child.kill();
    await ended;
  });

  it('says of an image nobody can run how to map it', async () => {
    await ok('run nobody --image=example.com/nobody:1');
    await limen.until('it is known', async () => /ErrImagePull|ImagePullBackOff/.test(await ok('get pod nobody')));
    expect(await ok('describe pod nobody')).toContain('--image');
    const script = join(home, 'editor.sh');
    writeFileSync(script, '#!/bin/sh\nexit 0\n', { mode: 0o700 });
    expect((await kubectl.run('edit pod nobody', '', { KUBE_EDITOR: script })).stderr).toBe(
      'Edit cancelled, no changes made.\n',
    );
  });
});
