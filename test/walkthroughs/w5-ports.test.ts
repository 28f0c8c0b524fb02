// Walkthrough 5: which ports of a Gateway can be reached, and what happens when two Gateways want the same host and port.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen } from './limen.ts';
import { describeWith } from './tools.ts';

const gateway = (namespace: string, port: number, created: string) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: bookinfo-gateway
  namespace: ${namespace}
  creationTimestamp: "${created}"
spec:
  selector:
    istio: ingressgateway
  servers:
    - port: { number: ${port}, name: http, protocol: HTTP }
      hosts: ["*"]
`;

/** A VirtualService in `test`, on the Gateway of its own namespace, that sends the product page to ratings in `default`: that one has none. */
const TEST_VIRTUAL_SERVICE = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: other
  namespace: test
spec:
  hosts: ["*"]
  gateways: [bookinfo-gateway]
  http:
    - match:
        - uri: { exact: /productpage }
        - uri: { prefix: /ratings }
      route:
        - destination: { host: ratings.default.svc.cluster.local, port: { number: 9080 } }
`;

describeWith(['curl'], 'W5: ports', () => {
  let limen: Limen;
  beforeAll(async () => {
    limen = await Limen.start();
    limen.applyFolder('bookinfo');
    for (const service of ['productpage', 'details', 'reviews', 'ratings'])
      await limen.untilRow(['endpoints'], { CLUSTER: `outbound|9080||${service}.default.svc.cluster.local` });
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('1. a Gateway on port 8080 is served by the listener that the Service’s port 80 leads to', async () => {
    await limen.untilRow(['listener'], { PORT: '8080', DESTINATION: 'Route: http.8080' });
    const answer = await limen.untilStatus(200, 'http://127.0.0.1/productpage');
    expect(answer.body).toContain('<title>Simple Bookstore App</title>');
    expect(answer.body).toContain('William Shakespeare');
    expect(answer.body).toContain('Reviews served by: reviews-v');
    expect(limen.output).not.toContain('not a port of the gateway');
  });

  it('1. the paths of the VirtualService are served, others are 404', async () => {
    const statuses: Record<string, number> = {};
    for (const path of [
      '/static/bookinfo.css',
      '/login',
      '/logout',
      '/api/v1/products',
      '/api/v1/products/0',
      '/',
      '/productpage/more',
      '/health',
    ])
      statuses[path] = (await limen.curl(`http://127.0.0.1${path}`)).status;
    expect(statuses).toEqual({
      '/static/bookinfo.css': 200,
      '/login': 302,
      '/logout': 302,
      '/api/v1/products': 200,
      '/api/v1/products/0': 200,
      '/': 404,
      '/productpage/more': 404,
      '/health': 404,
    });
  });

  it('1. the routes are listed one a match', async () => {
    const rows = await limen.table('routes', '--name', 'http.8080');
    expect(rows.map((row) => row.MATCH)).toEqual([
      '/productpage',
      '/static*',
      '/login',
      '/logout',
      '/api/v1/products*',
    ]);
    expect(new Set(rows.map((row) => row['VIRTUAL SERVICE']))).toEqual(new Set(['bookinfo.default']));
  });

  it('2. port 80 works as well as 8080', async () => {
    limen.apply('gateway.yaml', gateway('default', 80, '2026-01-01T00:00:00Z'));
    await limen.untilRow(['routes', '--name', 'http.8080'], { 'VHOST NAME': '*:80' });
    expect((await limen.untilStatus(200, 'http://127.0.0.1/productpage')).status).toBe(200);
  });

  it('2. port 7070 gets a listener, but no port of the Service leads to it', async () => {
    limen.apply('gateway.yaml', gateway('default', 7070, '2026-01-01T00:00:00Z'));
    const rows = await limen.untilRow(['listener'], { PORT: '7070', DESTINATION: 'Route: http.7070' });
    expect(rows.map((row) => row.PORT)).not.toContain('8080');
    await limen.until('the log says so', () =>
      limen.output.includes(
        "default/bookinfo-gateway: spec.servers[0].port.number: 7070 is not a port of the gateway's Service",
      ),
    );
    await limen.until('port 80 no longer answers', async () => {
      const answer = await limen.curl('http://127.0.0.1/productpage');
      return answer.code !== 0 || answer.status === 404;
    });
  });

  it('3. of two Gateways with the same host and port the older one wins', async () => {
    limen.apply('gateway.yaml', gateway('default', 8080, '2026-01-01T00:00:00Z'));
    limen.apply('other-gateway.yaml', gateway('test', 8080, '2026-02-01T00:00:00Z'));
    limen.apply('other-virtual-service.yaml', TEST_VIRTUAL_SERVICE);
    expect((await limen.untilStatus(200, 'http://127.0.0.1/productpage')).body).toContain('Simple Bookstore App');
    // Both are merged into one listener and one virtual host; what the older one routes, it routes first.
    await limen.untilRow(['cluster'], { 'SERVICE FQDN': 'ratings.default.svc.cluster.local' });
    expect((await limen.curl('http://127.0.0.1/productpage')).body).toContain('Simple Bookstore App');
    expect((await limen.table('routes', '--name', 'http.8080'))[0]?.['VIRTUAL SERVICE']).toBe('bookinfo.default');
  });

  it('3. and where the other one is older, that one', async () => {
    limen.apply('other-gateway.yaml', gateway('test', 8080, '2025-02-01T00:00:00Z'));
    const answer = await limen.untilStatus(404, 'http://127.0.0.1/productpage');
    expect(answer.body).toBe('not found\n'); // says ratings
    expect((await limen.table('routes', '--name', 'http.8080'))[0]?.['VIRTUAL SERVICE']).toBe('other.test');
  });
});
