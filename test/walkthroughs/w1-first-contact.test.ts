// Walkthrough 1: the ingress gateway, first contact.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen } from './limen.ts';
import { DATA_PLANE, describeWith } from './tools.ts';

const CATALOG =
  '[{"id":1,"color":"amber","department":"Eyewear","name":"Elinor Glasses","price":"282.00"},' +
  '{"id":2,"color":"cyan","department":"Clothing","name":"Atlas Shirt","price":"127.00"},' +
  '{"id":3,"color":"teal","department":"Clothing","name":"Small Metal Shoes","price":"232.00"},' +
  '{"id":4,"color":"red","department":"Watches","name":"Red Dragon Watch","price":"232.00"}]';

const AGE = expect.stringMatching(/^\d+[sm](\d+s)?$/);

describeWith(['curl', 'kubectl'], 'W1: first contact', () => {
  let limen: Limen;
  beforeAll(async () => {
    limen = await Limen.startEmpty();
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('1. the gateway’s Service is there, on this machine’s address', async () => {
    const [service, ...others] = await limen.kubectlTable('get svc istio-ingressgateway -n istio-system');
    expect(others).toEqual([]);
    expect(service).toEqual({
      NAME: 'istio-ingressgateway',
      TYPE: 'LoadBalancer',
      'CLUSTER-IP': expect.stringMatching(/^10\.\d+\.\d+\.\d+$/),
      'EXTERNAL-IP': '127.0.0.1',
      'PORT(S)': expect.stringMatching(/^15021:\d+\/TCP,80:\d+\/TCP,443:\d+\/TCP,31400:\d+\/TCP,15443:\d+\/TCP$/),
      AGE,
    });
  });

  it('1. it leads from node port to port to target port to the pod', async () => {
    const [pod] = await limen.kubectlTable('get po -n istio-system -l istio=ingressgateway -o wide');
    const [service] = await limen.kubectlTable('get svc istio-ingressgateway -n istio-system');
    const nodePorts = new Map([...(service?.['PORT(S)'] ?? '').matchAll(/(\d+):(\d+)/g)].map(([, a, b]) => [a, b]));
    const text = await limen.kubectl('describe svc istio-ingressgateway -n istio-system');
    expect(text).toMatch(/^Type: +LoadBalancer$/m);
    expect(text).toMatch(/^LoadBalancer Ingress: +127\.0\.0\.1$/m);
    const described =
      /^Port: +(\S+) +(\d+)\/TCP\nTargetPort: +(\d+)\/TCP\nNodePort: +(\S+) +(\d+)\/TCP\nEndpoints: +(\S+)$/gm;
    expect([...text.matchAll(described)].map((match) => match.slice(1))).toEqual(
      [
        ['status-port', '15021', '15021'],
        ['http2', '80', '8080'],
        ['https', '443', '8443'],
        ['tcp', '31400', '31400'],
        ['tls', '15443', '15443'],
      ].map(([name, port, target]) => [name, port, target, name, nodePorts.get(port), `${pod?.IP}:${target}`]),
    );
    expect([...nodePorts.values()].every((port) => Number(port) >= 30000 && Number(port) <= 32767)).toBe(true);
  });

  it('1. its container has a port for each listener there may be', async () => {
    const path = '{.spec.template.spec.containers[0].ports[*].containerPort}';
    expect(await limen.kubectl(`get deploy istio-ingressgateway -n istio-system -o jsonpath='${path}'`)).toBe(
      '15021 8080 8443 31400 15443 15090',
    );
  });

  it('1. ps in the gateway shows its processes, and no others', async () => {
    const text = await limen.kubectl('-n istio-system exec deploy/istio-ingressgateway -- ps');
    const [heading, ...lines] = text.trimEnd().split('\n');
    expect(heading).toMatch(/^ *PID .* CMD$/);
    const commands = lines.map((line) => line.trim().split(/\s+/).slice(3).join(' '));
    expect(commands).toEqual(DATA_PLANE === 'envoy' ? ['limen envoy', 'envoy', 'ps'] : ['limen proxy', 'ps']);
  });

  it('2. an empty gateway has the listeners for readiness and metrics, nothing else', async () => {
    const listeners = await limen.table('listener');
    expect(listeners.map((row) => [row.PORT, row.MATCH, row.DESTINATION])).toEqual([
      ['15021', 'ALL', 'Inline Route: /healthz/ready*'],
      ['15090', 'ALL', 'Inline Route: /stats/prometheus*'],
    ]);
  });

  it('2. its routes are those two, for every domain', async () => {
    const routes = await limen.table('routes');
    expect(routes.map((row) => [row.DOMAINS, row.MATCH]).sort()).toEqual([
      ['*', '/healthz/ready*'],
      ['*', '/stats/prometheus*'],
    ]);
  });

  it('2. it is ready', async () => {
    const answer = await limen.curl(`http://127.0.0.1:${limen.port(15021)}/healthz/ready`);
    expect(answer.status).toBe(200);
  });

  it('3. a Gateway whose namespace is not there is refused', async () => {
    const { code, stdout, stderr } = await limen.type('kubectl apply -f examples/coolstore/gateway.yaml');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      'Error from server (NotFound): error when creating "examples/coolstore/gateway.yaml": namespaces "istioinaction" not found\n',
    );
    expect(await limen.kubectl('create namespace istioinaction')).toBe('namespace/istioinaction created\n');
  });

  it('3. a Gateway on port 80 of the Service opens listener 8080', async () => {
    expect(await limen.kubectl('apply -f examples/coolstore/gateway.yaml')).toBe(
      'gateway.networking.istio.io/coolstore-gateway created\n',
    );
    const listeners = await limen.untilRow(['listener'], { PORT: '8080' });
    expect(listeners[0]).toMatchObject({
      ADDRESSES: '0.0.0.0',
      PORT: '8080',
      MATCH: 'ALL',
      DESTINATION: 'Route: http.8080',
    });
    expect(listeners).toHaveLength(3);
  });

  it('3. its route is a black hole: 404 for everything', async () => {
    expect(await limen.table('routes', '--name', 'http.8080')).toEqual([
      { NAME: 'http.8080', 'VHOST NAME': 'blackhole:80', DOMAINS: '*', MATCH: '/*', 'VIRTUAL SERVICE': '404' },
    ]);
    const [route] = await limen.json('routes', '--name', 'http.8080');
    expect(route).toMatchObject({
      name: 'http.8080',
      virtualHosts: [{ name: 'blackhole:80', domains: ['*'] }],
      validateClusters: false,
      ignorePortInHostMatching: true,
    });
  });

  it('3. curl gets 404 from istio-envoy', async () => {
    const answer = await limen.untilStatus(404, 'http://127.0.0.1/api/catalog', '-H', 'Host: webapp.istioinaction.io');
    expect(answer.statusLine).toBe('HTTP/1.1 404 Not Found');
    expect(answer.headers).toEqual({
      date: expect.stringMatching(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/),
      server: 'istio-envoy',
      'content-length': '0',
    });
    expect(answer.body).toBe('');
  });

  it('4. a VirtualService takes the black hole’s place', async () => {
    expect(await limen.kubectl('apply -f examples/coolstore/virtual-service.yaml')).toBe(
      'virtualservice.networking.istio.io/webapp-vs-from-gw created\n',
    );
    const row = {
      NAME: 'http.8080',
      'VHOST NAME': 'webapp.istioinaction.io:80',
      DOMAINS: 'webapp.istioinaction.io',
      MATCH: '/*',
      'VIRTUAL SERVICE': 'webapp-vs-from-gw.istioinaction',
    };
    expect(await limen.untilRow(['routes', '--name', 'http.8080'], row)).toEqual([row]);
  });

  it('5. the workloads start, and are Running and ready', async () => {
    const { code, stdout } = await limen.type('kubectl apply -f examples/coolstore/apps.yaml');
    expect([code, stdout.split('\n')]).toEqual([
      0,
      [
        'namespace/istioinaction configured',
        ...['catalog', 'webapp'].flatMap((name) => [
          `serviceaccount/${name} created`,
          `service/${name} created`,
          `deployment.apps/${name} created`,
        ]),
        '',
      ],
    ]);
    await limen.kubectl('wait --for=condition=Available deploy --all -n istioinaction --timeout=20s');
    expect(await limen.kubectlTable('get po -n istioinaction')).toEqual(
      ['catalog', 'webapp'].map((name) => ({
        NAME: expect.stringMatching(new RegExp(`^${name}-\\w{10}-\\w{5}$`)),
        READY: '1/1',
        STATUS: 'Running',
        RESTARTS: '0',
        AGE,
      })),
    );
  });

  it('5. Gateways and VirtualServices are listed in the columns of Istio', async () => {
    expect(await limen.kubectlTable('get gateway -n istioinaction')).toEqual([{ NAME: 'coolstore-gateway', AGE }]);
    expect(await limen.kubectlTable('get virtualservice -n istioinaction')).toEqual([
      { NAME: 'webapp-vs-from-gw', GATEWAYS: '["coolstore-gateway"]', HOSTS: '["webapp.istioinaction.io"]', AGE },
    ]);
  });

  it('5. the pods are the gateway’s endpoints, and healthy', async () => {
    const rows = await limen.untilRow(['endpoints'], {
      CLUSTER: 'outbound|80||webapp.istioinaction.svc.cluster.local',
      STATUS: 'HEALTHY',
    });
    const [pod] = await limen.kubectlTable('get po -n istioinaction -l app=webapp -o wide');
    const webapp = rows.find((row) => row.CLUSTER === 'outbound|80||webapp.istioinaction.svc.cluster.local');
    expect(webapp?.ENDPOINT).toMatch(/^127\.\d+\.\d+\.\d+:8080$/);
    expect(webapp?.ENDPOINT).toBe(`${pod?.IP}:8080`);
  });

  it('4. the route carries what Istio puts there', async () => {
    const [route] = await limen.json('routes', '--name', 'http.8080');
    const [host] = route.virtualHosts;
    expect(host).toMatchObject({
      name: 'webapp.istioinaction.io:80',
      domains: ['webapp.istioinaction.io'],
      includeRequestAttemptCount: true,
    });
    expect(host.routes).toEqual([
      {
        match: { prefix: '/' },
        route: {
          cluster: 'outbound|80||webapp.istioinaction.svc.cluster.local',
          timeout: '0s',
          retryPolicy: {
            retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
            numRetries: 2,
            retryHostPredicate: [
              {
                name: 'envoy.retry_host_predicates.previous_hosts',
                typedConfig: {
                  '@type': 'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
                },
              },
            ],
            hostSelectionRetryMaxAttempts: '5',
            retriableStatusCodes: [503],
          },
          maxStreamDuration: { maxStreamDuration: '0s', grpcTimeoutHeaderMax: '0s' },
        },
        metadata: {
          filterMetadata: {
            istio: {
              config: '/apis/networking.istio.io/v1alpha3/namespaces/istioinaction/virtual-service/webapp-vs-from-gw',
            },
          },
        },
        decorator: { operation: 'webapp.istioinaction.svc.cluster.local:80/*' },
      },
    ]);
  });

  it('6. curl gets the catalog through gateway, webapp and catalog', async () => {
    const answer = await limen.untilStatus(200, '-H', 'Host: webapp.istioinaction.io', 'http://127.0.0.1/api/catalog');
    expect(answer.statusLine).toBe('HTTP/1.1 200 OK');
    expect(answer.body).toBe(CATALOG);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': '357',
      server: 'istio-envoy',
      'x-envoy-upstream-service-time': expect.stringMatching(/^\d+$/),
      date: expect.any(String),
    });
  });

  it('6. so does a client that comes by a node port', async () => {
    expect(
      await limen.kubectl(
        'expose deploy istio-ingressgateway -n istio-system --name=by-node-port --type=NodePort --port=80 --target-port=8080',
      ),
    ).toBe('service/by-node-port exposed\n');
    const path = '{.spec.ports[0].nodePort}';
    const port = await limen.kubectl(`get svc by-node-port -n istio-system -o jsonpath='${path}'`);
    const answer = await limen.untilStatus(
      ...([200, '-H', 'Host: webapp.istioinaction.io', `http://127.0.0.1:${port}/api/catalog`] as const),
    );
    expect(answer.body).toBe(CATALOG);
    expect(await limen.kubectl('delete svc by-node-port -n istio-system')).toContain('"by-node-port" deleted');
    await limen.until('the port is closed', async () => (await limen.curl(`http://127.0.0.1:${port}/`)).code === 7);
    // Who comes by another port of the gateway notices nothing of it.
    const other = await limen.curl('-H', 'Host: webapp.istioinaction.io', 'http://127.0.0.1/api/catalog');
    expect(other.status).toBe(200);
  });

  it('6. any other host is still 404', async () => {
    expect((await limen.curl('http://127.0.0.1/api/catalog')).status).toBe(404);
  });

  it('6. another host that the Gateway does not name is 404 even with a VirtualService for it', async () => {
    expect((await limen.curl('-H', 'Host: catalog.istioinaction.io', 'http://127.0.0.1/items')).status).toBe(404);
  });
});
