// Walkthrough 1: the ingress gateway, first contact.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen } from './limen.ts';
import { describeWith } from './tools.ts';

const CATALOG =
  '[{"id":1,"color":"amber","department":"Eyewear","name":"Elinor Glasses","price":"282.00"},' +
  '{"id":2,"color":"cyan","department":"Clothing","name":"Atlas Shirt","price":"127.00"},' +
  '{"id":3,"color":"teal","department":"Clothing","name":"Small Metal Shoes","price":"232.00"},' +
  '{"id":4,"color":"red","department":"Watches","name":"Red Dragon Watch","price":"232.00"}]';

describeWith(['curl'], 'W1: first contact', () => {
  let limen: Limen;
  beforeAll(async () => {
    limen = await Limen.start();
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
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

  it('3. a Gateway on port 80 of the Service opens listener 8080', async () => {
    limen.applyExample('coolstore/gateway.yaml');
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
    limen.applyExample('coolstore/virtual-service.yaml');
    const row = {
      NAME: 'http.8080',
      'VHOST NAME': 'webapp.istioinaction.io:80',
      DOMAINS: 'webapp.istioinaction.io',
      MATCH: '/*',
      'VIRTUAL SERVICE': 'webapp-vs-from-gw.istioinaction',
    };
    await limen.untilRow(['routes', '--name', 'http.8080'], row);
    expect(await limen.table('routes', '--name', 'http.8080')).toEqual([row]);
  });

  it('5. the workloads start, and their endpoints are healthy', async () => {
    limen.applyExample('coolstore/apps.yaml');
    const rows = await limen.untilRow(['endpoints'], {
      CLUSTER: 'outbound|80||webapp.istioinaction.svc.cluster.local',
      STATUS: 'HEALTHY',
    });
    const webapp = rows.find((row) => row.CLUSTER === 'outbound|80||webapp.istioinaction.svc.cluster.local');
    expect(webapp?.ENDPOINT).toMatch(/^127\.\d+\.\d+\.\d+:8080$/);
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

  it('6. any other host is still 404', async () => {
    expect((await limen.curl('http://127.0.0.1/api/catalog')).status).toBe(404);
  });

  it('6. another host that the Gateway does not name is 404 even with a VirtualService for it', async () => {
    expect((await limen.curl('-H', 'Host: catalog.istioinaction.io', 'http://127.0.0.1/items')).status).toBe(404);
  });
});
