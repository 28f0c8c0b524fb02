// Walkthrough 5: which ports of a Gateway can be reached, and what happens when two Gateways want the same host and port.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen } from './limen.ts';
import { describeWith } from './tools.ts';

describeWith(['curl', 'kubectl', 'openssl'], 'W5: ports', () => {
  let limen: Limen;
  /** Gives the Gateway's server another port, and what else `server` says. */
  const patchGateway = (port: number, server = '"name":"http","protocol":"HTTP"}') =>
    limen.kubectl(
      `patch gw bookinfo-gateway --type=merge -p '{"spec":{"servers":[{"hosts":["*"],"port":{"number":${port},${server}}]}}'`,
    );
  const PATCHED = 'gateway.networking.istio.io/bookinfo-gateway patched\n';
  const REFUSED =
    "is not a port of the gateway's Service (istio-system/istio-ingressgateway): nobody outside can reach it";

  beforeAll(async () => {
    limen = await Limen.startEmpty();
    expect(await limen.kubectl('apply -f examples/bookinfo')).toMatch(
      /deployment\.apps\/ratings-v1 created\ngateway\.networking\.istio\.io\/bookinfo-gateway created\nvirtualservice\.networking\.istio\.io\/bookinfo created\n$/,
    );
    await limen.kubectl('wait --for=condition=Available deploy --all --timeout=25s');
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
    expect(await limen.kubectl("get gw bookinfo-gateway -o jsonpath='{.spec.servers[*].port.number}'")).toBe('8080');
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
    expect(await patchGateway(80)).toBe(PATCHED);
    await limen.untilRow(['routes', '--name', 'http.8080'], { 'VHOST NAME': '*:80' });
    expect((await limen.untilStatus(200, 'http://127.0.0.1/productpage')).status).toBe(200);
  });

  it('2. for HTTPS, 443 and 8443 are the same listener too', async () => {
    const [key, cert] = ['key.pem', 'cert.pem'];
    const made = await limen.type(
      `openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=bookinfo.io -addext subjectAltName=DNS:bookinfo.io -keyout ${key} -out ${cert}`,
    );
    expect(made.code, made.stderr).toBe(0);
    await limen.kubectl(`create -n istio-system secret tls bookinfo --key ${key} --cert ${cert}`);
    for (const port of [8443, 443]) {
      const https = '"name":"https","protocol":"HTTPS"},"tls":{"mode":"SIMPLE","credentialName":"bookinfo"}';
      expect(await patchGateway(port, https)).toBe(PATCHED);
      const DESTINATION = `Route: https.${port}.https.bookinfo-gateway.default`;
      await limen.untilRow(['listener'], { PORT: '8443', DESTINATION });
      const answer = await limen.untilStatus(
        ...([200, '--cacert', `${limen.terminal}/${cert}`, 'https://bookinfo.io/productpage'] as const),
      );
      expect(answer.body).toContain('Simple Bookstore App');
    }
    expect(limen.output).not.toContain(REFUSED);
  });

  it.each([7070, 9090])('2. port %i gets a listener, but no port of the Service leads to it', async (port) => {
    expect(await patchGateway(port)).toBe(PATCHED);
    const rows = await limen.untilRow(['listener'], { PORT: String(port), DESTINATION: `Route: http.${port}` });
    expect(rows.map((row) => row.PORT)).not.toContain('8080');
    await limen.until('the log says so', () =>
      limen.output.includes(`default/bookinfo-gateway: spec.servers[0].port.number: ${port} ${REFUSED}`),
    );
    await limen.until('port 80 no longer answers', async () => {
      const answer = await limen.curl('http://127.0.0.1/productpage');
      return answer.code !== 0 || answer.status === 404;
    });
  });

  it('2. a number that is no port is refused', async () => {
    await expect(patchGateway(70700)).rejects.toThrow(
      'admission webhook "validation.istio.io" denied the request: configuration is invalid: spec.servers[0].port.number: 70700 is no port number',
    );
  });

  it('3. of two Gateways with the same host and port the older one wins', async () => {
    expect(await patchGateway(8080)).toBe(PATCHED);
    await limen.kubectl('create namespace test');
    expect(await limen.kubectl('apply -n test -f examples/bookinfo/gateway.yaml')).toBe(
      'gateway.networking.istio.io/bookinfo-gateway created\n',
    );
    expect((await limen.kubectlTable('get gw -A')).map((row) => [row.NAMESPACE, row.NAME])).toEqual([
      ['default', 'bookinfo-gateway'],
      ['test', 'bookinfo-gateway'],
    ]);
    // Its VirtualService sends the product page to ratings, which have none.
    const elsewhere = "sed 's/host: productpage/host: ratings.default.svc.cluster.local/'";
    const applied = await limen.type(
      `${elsewhere} examples/bookinfo/virtual-service.yaml | kubectl apply -n test -f -`,
    );
    expect(applied).toMatchObject({ code: 0, stderr: '' });
    // Both are merged into one listener and one virtual host; what the older one routes, it routes first.
    const rows = await limen.untilRow(['routes', '--name', 'http.8080'], { 'VIRTUAL SERVICE': 'bookinfo.test' });
    expect(rows[0]?.['VIRTUAL SERVICE']).toBe('bookinfo.default');
    expect((await limen.untilStatus(200, 'http://127.0.0.1/productpage')).body).toContain('Simple Bookstore App');
  });

  it('3. and where the other one is older, that one', async () => {
    expect(await limen.kubectl('delete -f examples/bookinfo/gateway.yaml')).toBe(
      'gateway.networking.istio.io "bookinfo-gateway" deleted\n',
    );
    // Times of creation are whole seconds: in the same one, the name would decide.
    const created = await limen.kubectl("get gw bookinfo-gateway -n test -o jsonpath='{.metadata.creationTimestamp}'");
    await limen.until('a second has passed', () => Date.now() >= Date.parse(created) + 1000);
    await limen.kubectl('apply -f examples/bookinfo/gateway.yaml');
    await limen.untilRow(['routes', '--name', 'http.8080'], { 'VIRTUAL SERVICE': 'bookinfo.default' });
    const answer = await limen.untilStatus(404, 'http://127.0.0.1/productpage');
    expect(answer.body).toBe('not found\n'); // says ratings
    expect((await limen.table('routes', '--name', 'http.8080'))[0]?.['VIRTUAL SERVICE']).toBe('bookinfo.test');
  });
});
