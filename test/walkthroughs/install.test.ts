// Walkthrough 4, steps 7 and 8, as typed: `limen install` for `istioctl install`, and `limen uninstall`, beside kubectl.

import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Limen, type Outcome, PROGRAM, ROOT, run } from './limen.ts';
import { describeWith } from './tools.ts';

const USER_GATEWAY = 'my-user-gateway';

/** The file of the walkthrough. */
const USER_GATEWAY_INSTALL = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata:
  name: my-user-gateway-install
  namespace: istioinaction
spec:
  profile: empty
  values:
    gateways:
      istio-ingressgateway:
        autoscaleEnabled: false
  components:
    ingressGateways:
    - name: istio-ingressgateway
      enabled: false
    - name: my-user-gateway
      namespace: istioinaction
      enabled: true
      label:
        istio: my-user-gateway
      k8s:
        service:
          ports:
            - name: tcp  # This is in the Gateway resource as "echo"
              port: 30007
              targetPort: 31400
`;

/** A Gateway with a selector, and a VirtualService that answers there. */
const answering = (name: string, selector: string, port: number) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: ${name}, namespace: istioinaction }
spec: { selector: { istio: ${selector} }, servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ["*"] }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: istioinaction }
spec:
  hosts: ["*"]
  gateways: [${name}]
  http: [{ directResponse: { status: 200, body: { string: ${name} } } }]
`;

describeWith(['curl', 'kubectl'], 'W4.7 and W4.8: limen install', () => {
  let limen: Limen;
  let file: string;
  const kubectl = (...args: string[]): Promise<Outcome> =>
    run('kubectl', args, { KUBECONFIG: join(limen.home, 'kubeconfig'), HOME: limen.terminal });
  const get = async (...args: string[]) => JSON.parse((await kubectl('get', ...args, '-o', 'json')).stdout);
  const operators = async () =>
    (await kubectl('get', 'IstioOperator', '-A', '--no-headers')).stdout
      .split('\n')
      .flatMap((line) => (line === '' ? [] : line.split(/ +/).slice(0, 2).join('/')));
  /** The default gateway's pods and the ports that lead to it. */
  const defaultGateway = async () => ({
    pods: limen.proxies().map(({ pod }) => pod),
    published: limen.proxies()[0]?.published,
    ports: (await get('svc', 'istio-ingressgateway', '-n', 'istio-system')).spec.ports,
  });
  const answerAt = async (port: number) => (await limen.curl(`http://127.0.0.1:${port}/`)).body;

  beforeAll(async () => {
    limen = await Limen.start();
    limen.apply('mine.yaml', answering('mine', USER_GATEWAY, 30007));
    limen.apply('theirs.yaml', answering('theirs', 'ingressgateway', 80));
    file = join(limen.scratch({ 'my-user-gateway.yaml': USER_GATEWAY_INSTALL }), 'my-user-gateway.yaml');
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('-y -n istioinaction -f FILE: the gateway is up, and it says where', async () => {
    const { code, stdout, stderr } = await limen.limen('install', '-y', '-n', 'istioinaction', '-f', file);
    expect(code).toBe(0);
    expect(stdout.replace(/127\.0\.0\.1:\d+/, 'HOST:PORT')).toBe(
      '✔ Ingress gateways installed\n✔ Installation complete\n\n' +
        '  my-user-gateway.istioinaction\n    HOST:PORT → Service port 30007 (tcp)\n',
    );
    expect(stderr).toBe(
      `${file}:8:3: warning: spec.values: Helm values are not read: gateways.istio-ingressgateway.autoscaleEnabled\n` +
        '  hint: use components and meshConfig\n',
    );
    const { status } = await get('deploy', USER_GATEWAY, '-n', 'istioinaction');
    expect(status.availableReplicas).toBe(1);
    expect(stdout).toContain(`127.0.0.1:${limen.port(30007, USER_GATEWAY)} → Service port 30007`);
  });

  it('kubectl get IstioOperator -A lists it, under the name that istioctl gives it', async () => {
    expect(await operators()).toEqual(['istioinaction/installed-state-my-user-gateway-install']);
  });

  it('the log of limen up says which port of this machine it has', async () => {
    await limen.until('it is logged', () =>
      limen.output.includes(
        `my-user-gateway.istioinaction is published: 127.0.0.1:${limen.port(30007, USER_GATEWAY)} → Service port 30007 (tcp)`,
      ),
    );
  });

  it('a Gateway with its selector lands on it and on no other', async () => {
    await limen.until('it answers', async () => (await answerAt(limen.port(30007, USER_GATEWAY))) === 'mine');
    const listeners = async (workload: string, namespace: string) =>
      (await limen.limen('proxy-config', 'listeners', `deploy/${workload}`, '-n', namespace)).stdout;
    expect(await listeners(USER_GATEWAY, 'istioinaction')).toMatch(/0\.0\.0\.0 +31400 +ALL +Route: http\.31400/);
    expect(await listeners('istio-ingressgateway', 'istio-system')).not.toContain('31400');
  });

  it('--set meshConfig.accessLogFile=/dev/stdout: kubectl logs has a line a request, and the gateway ran on', async () => {
    const before = await defaultGateway();
    const { code, stdout } = await limen.limen('install', '-y', '--set', 'meshConfig.accessLogFile=/dev/stdout');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^✔ Istio core installed.*\n✔ Istiod installed.*\n✔ Ingress gateways installed\n✔ Installation complete\n/,
    );
    await limen.until('a request is logged', async () => {
      expect(await answerAt(limen.port(80))).toBe('theirs');
      const logs = await kubectl('logs', 'deploy/istio-ingressgateway', '-n', 'istio-system');
      return /^\[\d{4}-.*\] "GET \/ HTTP\/1\.1" 200 - direct_response - /m.test(logs.stdout);
    });
    expect(await defaultGateway()).toEqual(before);
    expect(await operators()).toEqual([
      'istio-system/installed-state',
      'istioinaction/installed-state-my-user-gateway-install',
    ]);
  });

  it('again, it changes nothing; with other settings, what was set before goes', async () => {
    const installed = async () => (await get('iop', 'installed-state', '-n', 'istio-system')).metadata.resourceVersion;
    const version = await installed();
    expect((await limen.limen('install', '-y', '--set', 'meshConfig.accessLogFile=/dev/stdout')).code).toBe(0);
    expect(await installed()).toBe(version);
    expect((await limen.limen('install', '-y', '-s', 'meshConfig.enableTracing=false')).code).toBe(0);
    expect((await get('configmap', 'istio', '-n', 'istio-system')).data).toEqual({ mesh: 'enableTracing: false\n' });
  });

  it('a changed file changes the gateway: its replicas, its port', async () => {
    const gateway = 'components.ingressGateways[1].k8s';
    const settings = [`${gateway}.replicaCount=2`, `${gateway}.service.ports[0].port=30008`];
    const { code, stdout } = await limen.limen(
      'install',
      '-y',
      '-f',
      file,
      ...settings.flatMap((set) => ['--set', set]),
    );
    expect(code).toBe(0);
    expect(limen.proxies(USER_GATEWAY)).toHaveLength(2);
    expect(stdout).toContain(`127.0.0.1:${limen.port(30008, USER_GATEWAY)} → Service port 30008 (tcp)\n`);
    expect(stdout).not.toContain('30007');
  });

  it('a gateway that is not up in time is an error that says why', async () => {
    const other = USER_GATEWAY_INSTALL.replaceAll(USER_GATEWAY, 'late-gateway').replace('30007', '30009');
    const late = join(limen.scratch({ 'late.yaml': other }), 'late.yaml');
    const { code, stdout } = await limen.limen('install', '-y', '-f', late, '--readiness-timeout', '1ms');
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^✘ Ingress gateways encountered an error: not ready after 0\.001 s\n {2}Deployment\/istioinaction\/late-gateway: \S.*\n/,
    );
    expect((await limen.limen('uninstall', '-y', '-f', late)).code).toBe(0);
  });

  it('what a file has stays, and is an error that says so', async () => {
    const mesh =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\ndata: { mesh: "" }\n';
    expect((await limen.limen('uninstall', '-y', '--purge')).code).toBe(0);
    limen.apply('mesh.yaml', mesh);
    await limen.until(
      'it is there',
      async () => (await kubectl('get', 'cm', 'istio', '-n', 'istio-system')).code === 0,
    );
    const { code, stderr } = await limen.limen('install', '-y', '--set', 'meshConfig.accessLogFile=/dev/stdout');
    expect([code, stderr]).toEqual([
      1,
      'error: ConfigMap istio-system/istio stays as it is: a file that "limen up" serves has it. When that one is gone, this one counts\n',
    ]);
    limen.remove('mesh.yaml');
    await limen.until('the one of the IstioOperator counts', async () => {
      const { data } = await get('configmap', 'istio', '-n', 'istio-system');
      return data.mesh === 'accessLogFile: /dev/stdout\n';
    });
    expect((await limen.limen('install', '-y', '-f', file)).code).toBe(0);
  });

  it.each([
    ['name', 'my-user-gateway-install', 'another'],
    ['namespace', 'namespace: istioinaction', 'namespace: default'],
  ])('what an IstioOperator of another %s has stays, and is an error that names it', async (_, own, others) => {
    const thief = USER_GATEWAY_INSTALL.replace(own, others);
    const path = join(limen.scratch({ 'another.yaml': thief }), 'another.yaml');
    const { code, stderr } = await limen.limen('install', '-y', '-f', path);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'error: Deployment istioinaction/my-user-gateway stays as it is: the IstioOperator istioinaction/installed-state-my-user-gateway-install has it.',
    );
    expect((await limen.limen('uninstall', '-y', '-f', path)).code).toBe(0);
    const { metadata } = await get('deploy', USER_GATEWAY, '-n', 'istioinaction');
    expect(metadata.labels['install.operator.istio.io/owning-resource']).toBe(
      'installed-state-my-user-gateway-install',
    );
  });

  it('--dry-run says what there would be, and changes nothing', async () => {
    const before = await operators();
    const { code, stdout } = await limen.limen('install', '--dry-run', '-f', file, '-n', 'elsewhere');
    expect([code, stdout]).toEqual([
      0,
      `These would be installed (dry run):
  IstioOperator istioinaction/installed-state-my-user-gateway-install
  Namespace istioinaction
  ServiceAccount istioinaction/my-user-gateway-service-account
  Service istioinaction/my-user-gateway
  Deployment istioinaction/my-user-gateway
`,
    ]);
    expect(await operators()).toEqual(before);
  });

  it('a namespace that is not there is made; a file without metadata goes where -n says, by the name installed-state', async () => {
    const bare = USER_GATEWAY_INSTALL.replace(/metadata:\n.*\n.*\n/, '').replaceAll('istioinaction', 'elsewhere');
    const { code } = await run(
      process.execPath,
      [PROGRAM, 'install', '-y', '-f', '-', '-n', 'elsewhere', '--set', 'components.ingressGateways[1].enabled=false'],
      { LIMEN_HOME: limen.home },
      bare,
    );
    expect(code).toBe(0);
    expect(await operators()).toContain('elsewhere/installed-state');
  });

  it('nobody is there to be asked: it says what to do, and nothing is installed', async () => {
    const { code, stderr } = await limen.limen('install', '--set', 'profile=minimal');
    expect([code, stderr]).toEqual([
      1,
      'error: standard input is no terminal, so nobody can be asked: -y (--skip-confirmation) goes ahead\n',
    ]);
    expect(limen.proxies()).toHaveLength(1);
  });

  it('uninstall -f takes away what the file installed, and nothing else', async () => {
    const before = await defaultGateway();
    const { code, stdout } = await limen.limen('uninstall', '-y', '-f', file);
    expect([code, stdout]).toEqual([
      0,
      `To be pruned: IstioOperator istioinaction/installed-state-my-user-gateway-install
You are about to remove the following gateways: my-user-gateway.istioinaction
  Removed install.istio.io/v1alpha1, Kind=IstioOperator/installed-state-my-user-gateway-install.istioinaction.
  Removed /v1, Kind=ServiceAccount/my-user-gateway-service-account.istioinaction.
  Removed /v1, Kind=Service/my-user-gateway.istioinaction.
  Removed apps/v1, Kind=Deployment/my-user-gateway.istioinaction.
✔ Uninstall complete
`,
    ]);
    await limen.until('no pod of it runs', () => limen.proxies(USER_GATEWAY).length === 0);
    expect(await defaultGateway()).toEqual(before);
    expect(await limen.limen('uninstall', '-y', '-f', file)).toEqual({
      code: 0,
      stdout: 'No resources will be pruned. "limen get istiooperators -A" lists what is installed.\n',
      stderr: '',
    });
  });

  it('--set profile=minimal takes the default gateway away, uninstall --purge gives it back on the same ports', async () => {
    const before = await defaultGateway();
    expect((await limen.limen('install', '-y', '--set', 'profile=minimal')).code).toBe(0);
    await limen.until('no gateway runs', () => limen.proxies().length === 0);
    const { code, stdout } = await limen.limen('uninstall', '-y', '--purge');
    expect(code).toBe(0);
    expect(stdout).toMatch(/✔ Uninstall complete\n/);
    expect(await operators()).toEqual([]);
    await limen.until('the default gateway runs', () => limen.proxies().length === 1);
    expect((await defaultGateway()).ports).toEqual(before.ports);
    await limen.until('it answers', async () => (await answerAt(limen.port(80))) === 'theirs');
  });

  it('uninstall needs to be told what', async () => {
    expect(await limen.limen('uninstall')).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: at least one of the --filename or --purge flags must be set\n',
    });
  });

  it('README.md: its commands do what it says', async () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const yaml = /```yaml\n(# my-user-gateway\.yaml\n.*?)```/s.exec(readme)?.[1] ?? '';
    const commands = /```sh\n(npx limen install .*?)```/s.exec(readme)?.[1]?.trim().split('\n') ?? [];
    const path = join(limen.scratch({ 'my-user-gateway.yaml': yaml }), 'my-user-gateway.yaml');
    const said: string[] = [];
    for (const command of commands) {
      const [, , ...words] = command.replace(/ +#.*/, '').split(/ +/);
      const { code, stdout, stderr } = await limen.limen(
        ...words.map((word) => (word === 'my-user-gateway.yaml' ? path : word)),
      );
      expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
      said.push(stdout);
    }
    expect(said).toHaveLength(5);
    expect(said[0]).toMatch(
      /✔ Installation complete\n\n {2}my-user-gateway\.istioinaction\n.*Service port 30007 \(tcp\)\n$/,
    );
    expect(said[1]).toMatch(/✔ Ingress gateways installed\n/);
    expect(said[3]).toMatch(
      /istio-system +installed-state .*\nistioinaction +installed-state-my-user-gateway-install /,
    );
    expect(said[4]).toMatch(/✔ Uninstall complete\n$/);
  });

  it('an IstioOperator in a file of limen up is taken out there', async () => {
    expect((await limen.limen('uninstall', '-y', '--purge')).code).toBe(0);
    limen.apply('operator.yaml', USER_GATEWAY_INSTALL);
    await limen.until('it is there', async () => (await operators()).length === 1);
    const { code, stderr } = await limen.limen('uninstall', '-y', '--purge');
    expect([code, stderr]).toEqual([
      1,
      'warning: IstioOperator istioinaction/my-user-gateway-install is in a file that "limen up" serves: take it out there\n',
    ]);
    expect(await operators()).toEqual(['istioinaction/my-user-gateway-install']);
  });
});

describe('without a running instance', () => {
  const limen = (...args: string[]) => run(process.execPath, [PROGRAM, ...args], { NO_COLOR: '1' });

  it.each(['install', 'uninstall'])('limen %s says so, and how to start one', async (command) => {
    const home = join(tmpdir(), `limen-no-home-${process.pid}`);
    expect(await limen(command, '-y', ...(command === 'install' ? [] : ['--purge']), '--home', home)).toEqual({
      code: 1,
      stdout: '',
      stderr: `error: no Limen is running in ${home}: start one with "limen up"\n`,
    });
  });

  it('limen manifest generate prints the objects', async () => {
    const { code, stdout } = await limen('manifest', 'generate', '--set', 'meshConfig.accessLogFile=/dev/stdout');
    expect(code).toBe(0);
    expect(stdout.match(/^kind: .*$/gm)).toEqual(
      ['Namespace', 'ConfigMap', 'ServiceAccount', 'Service', 'Deployment'].map((kind) => `kind: ${kind}`),
    );
    expect(stdout).toContain('accessLogFile: /dev/stdout');
  });

  it.each([
    [['--revision', 'canary'], "argument 'canary' is invalid. Limen has one control plane, and so no revisions"],
    [['--istioNamespace', 'other'], "argument 'other' is invalid. Limen's control plane is in istio-system"],
  ])('%j is refused with the reason', async (flags, reason) => {
    const { code, stderr } = await limen('manifest', 'generate', ...flags);
    expect(code).toBe(1);
    expect(stderr).toContain(reason);
  });
});
