// Walkthrough 2: from 404 to 200 with httpbin, and what the access log says on the way.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { Limen } from './limen.ts';
import { describeWith } from './tools.ts';

const LOG_FIELDS = [
  ...['authority', 'bytes_received', 'bytes_sent', 'downstream_local_address', 'downstream_remote_address', 'duration'],
  ...['method', 'path', 'protocol', 'request_id', 'requested_server_name', 'response_code', 'response_flags'],
  ...['route_name', 'start_time', 'upstream_cluster', 'upstream_host', 'upstream_local_address'],
  ...['upstream_service_time', 'upstream_transport_failure_reason', 'user_agent', 'x_forwarded_for'],
];

describeWith(['curl', 'kubectl'], 'W2: from 404 to 200', () => {
  let limen: Limen;
  const request = (path: string) => ['--resolve', 'httpbin.local:80:127.0.0.1', `http://httpbin.local${path}`];

  /** The line of the gateway's log for a path, waiting for it. */
  async function logged(path: string): Promise<Record<string, unknown>> {
    let found: Record<string, unknown> | undefined;
    await limen.until(`the gateway's log has a line for ${path}`, async () => {
      found = (await accessLog()).find((line) => line.path === path);
      return found !== undefined;
    });
    return found as Record<string, unknown>;
  }

  async function accessLog(): Promise<Record<string, unknown>[]> {
    const lines = (await limen.kubectl('logs -n istio-system deploy/istio-ingressgateway')).split('\n');
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  beforeAll(async () => {
    limen = await Limen.startEmpty();
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('1. any name is 404, and the access log has a line of JSON for it', async () => {
    await limen.kubectl('create namespace istioinaction');
    await limen.kubectl('apply -f examples/coolstore/gateway.yaml');
    expect(await limen.kubectl('apply -f examples/httpbin/mesh-config.yaml')).toBe('configmap/istio created\n');
    await limen.untilRow(['listener'], { PORT: '8080' });
    // The listener may be a moment older than its access log: ask until a line is there.
    let tries = 0;
    await limen.until('the access log is JSON', async () => {
      expect((await limen.curl(...request(`/first/${++tries}`))).status).toBe(404);
      return (await accessLog()).length > 0;
    });
    const answer = await limen.curl(...request('/nothing?here=1'), '-A', 'walkthrough');
    expect(answer.statusLine).toBe('HTTP/1.1 404 Not Found');
    expect(answer.headers.server).toBe('istio-envoy');

    const line = await logged('/nothing?here=1');
    // The terminal of `limen up` shows it too.
    expect(await limen.logged('/nothing?here=1')).toEqual(line);
    expect(Object.keys(line)).toEqual(expect.arrayContaining(LOG_FIELDS));
    expect(line).toMatchObject({
      authority: 'httpbin.local',
      bytes_received: 0,
      bytes_sent: 0,
      method: 'GET',
      protocol: 'HTTP/1.1',
      response_code: 404,
      response_flags: 'NR',
      user_agent: 'walkthrough',
      downstream_local_address: expect.stringMatching(/^127\.\d+\.\d+\.\d+:\d+$/),
      downstream_remote_address: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      duration: expect.any(Number),
      request_id: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      start_time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    expect(line.upstream_cluster ?? '-').toBe('-');
    expect(line.upstream_host ?? '-').toBe('-');
  });

  it('2. the Gateway alone (v1beta1) changes nothing for the client', async () => {
    expect(await limen.kubectl('apply -f examples/httpbin/gateway.yaml')).toBe(
      'gateway.networking.istio.io/httpbin-gateway created\n',
    );
    await limen.kubectl('apply -f examples/httpbin/httpbin.yaml -f examples/httpbin/destination-rule.yaml');
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|80|v2|httpbin-service.default.svc.cluster.local' });
    expect((await limen.curl(...request('/headers'))).status).toBe(404);
  });

  it('3. a VirtualService whose hosts lack the name is still 404', async () => {
    const apply = "sed '/- httpbin.local$/d' examples/httpbin/virtual-service.yaml | kubectl apply -f -";
    expect(await limen.type(apply)).toEqual({
      code: 0,
      stdout: 'virtualservice.networking.istio.io/httpbin-virtual-service created\n',
      stderr: '',
    });
    expect(await limen.kubectlTable('get vs')).toMatchObject([{ HOSTS: '["httpbin-service"]' }]);
    // Nothing of this VirtualService can be seen at the gateway; a Service that was made after it shows that it is live.
    await limen.kubectl('create service clusterip marker --tcp=80');
    await limen.untilRow(['cluster'], { 'SERVICE FQDN': 'marker.default.svc.cluster.local' });
    expect((await limen.curl(...request('/headers'))).status).toBe(404);
  });

  it('3. with the name among the hosts it is 200', async () => {
    expect(await limen.kubectl('apply -f examples/httpbin/virtual-service.yaml')).toBe(
      'virtualservice.networking.istio.io/httpbin-virtual-service configured\n',
    );
    const answer = await limen.untilStatus(200, ...request('/get'));
    expect(answer.headers.server).toBe('istio-envoy');
  });

  it('3. it is listed with its Gateways and hosts', async () => {
    expect(await limen.kubectlTable('get vs')).toEqual([
      {
        NAME: 'httpbin-virtual-service',
        GATEWAYS: '["httpbin-gateway","mesh"]',
        HOSTS: '["httpbin.local","httpbin-service"]',
        AGE: expect.stringMatching(/^\d+[sm]/),
      },
    ]);
  });

  it('4. the upstream sees the headers that the gateway adds', async () => {
    const answer = await limen.curl(...request('/headers'));
    expect(answer.statusLine).toBe('HTTP/1.1 200 OK');
    const { headers } = JSON.parse(answer.body) as { headers: Record<string, string> };
    expect(headers).toMatchObject({
      Host: 'httpbin.local',
      Accept: '*/*',
      'X-Envoy-Internal': 'true',
      'X-Forwarded-Proto': 'http',
      // A client on the loopback address is given the gateway's own address, as Envoy does.
      'X-Forwarded-For': expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
      'X-Request-Id': expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
      'X-Envoy-Attempt-Count': '1',
      'X-B3-Traceid': expect.stringMatching(/^[0-9a-f]{32}$/),
      'X-B3-Spanid': expect.stringMatching(/^[0-9a-f]{16}$/),
      'X-B3-Parentspanid': expect.stringMatching(/^[0-9a-f]{16}$/),
      'X-B3-Sampled': expect.stringMatching(/^[01]$/),
    });
    expect(headers['X-B3-Traceid']?.slice(16)).toBe(headers['X-B3-Parentspanid']);
  });

  it('5. the access log of a 200 says where it went', async () => {
    await limen.curl(...request('/anything?logged'));
    const line = await logged('/anything?logged');
    const pod = await limen.kubectl("get po -l app=httpbin,version=v2 -o jsonpath='{.items[*].status.podIP}'");
    const endpoints = await limen.table(
      'endpoints',
      '--cluster',
      'outbound|80|v2|httpbin-service.default.svc.cluster.local',
    );
    expect(endpoints.map((row) => row.ENDPOINT)).toEqual([`${pod}:8080`]);
    expect(line).toMatchObject({
      response_code: 200,
      response_flags: '-',
      upstream_cluster: expect.stringMatching(/^outbound\|80\|v2\|httpbin-service\.default\.svc\.cluster\.local;?$/),
      upstream_host: endpoints[0]?.ENDPOINT,
      upstream_local_address: expect.stringMatching(/^127\.\d+\.\d+\.\d+:\d+$/),
      upstream_service_time: expect.stringMatching(/^\d+$/),
      authority: 'httpbin.local',
      method: 'GET',
      path: '/anything?logged',
    });
    expect(line.bytes_sent).toBeGreaterThan(0);
    expect(Object.keys(line)).toContain('route_name');
  });

  it('5. all requests go to subset v2, none to v1', async () => {
    const paths = Array.from({ length: 20 }, (_, index) => `/get?n=${index}`);
    for (const path of paths) expect((await limen.curl(...request(path))).status).toBe(200);
    for (const path of paths) expect((await logged(path)).upstream_cluster).toContain('outbound|80|v2|httpbin-service');
  });

  it('6. the route has ten retries, and the destination of weight 0 is left out', async () => {
    const [route] = await limen.json('routes', '--name', 'http.8080');
    const host = route.virtualHosts.find((candidate: { name: string }) => candidate.name === 'httpbin.local:80');
    expect(host.routes).toHaveLength(1);
    expect(host.routes[0].route).toMatchObject({
      cluster: 'outbound|80|v2|httpbin-service.default.svc.cluster.local',
      retryPolicy: { numRetries: 10 },
    });
    expect(JSON.stringify(host.routes)).not.toContain('|v1|');
  });
});
