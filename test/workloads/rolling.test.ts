// Pods come and go behind a running gateway, and no request is lost by it.

import { Agent, get } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Limen } from '../walkthroughs/limen.ts';

const apps = (version: string, replicas: number) => `
apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  selector: { app: echo }
  ports: [{ name: http, port: 80, targetPort: 8080 }]
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: echo }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: echo } }
  template:
    metadata: { labels: { app: echo } }
    spec:
      containers:
        - name: echo
          image: limen/echo
          env: [{ name: ECHO_HEADER, value: "x-version: ${version}" }]
          ports: [{ containerPort: 8080 }]
`;

const ROUTING = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: echo }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo }
spec:
  hosts: ["*"]
  gateways: [echo]
  http: [{ route: [{ destination: { host: echo } }] }]
`;

describe('a Deployment behind the gateway', () => {
  let limen: Limen;
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const ask = () =>
    new Promise<{ status: number; version: string; pod: string }>((resolve, reject) => {
      get({ host: '127.0.0.1', port: limen.port(80), agent }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          body += text;
        });
        response.on('error', reject);
        response.on('end', () => {
          const status = response.statusCode ?? 0;
          const version = String(response.headers['x-version']);
          resolve({ status, version, pod: status === 200 ? (JSON.parse(body) as { pod: string }).pod : body });
        });
      }).on('error', reject);
    });

  beforeAll(async () => {
    limen = await Limen.start([80]);
    limen.apply('routing.yaml', ROUTING);
    limen.apply('apps.yaml', apps('one', 2));
    await limen.until('the first version answers', async () => (await ask()).version === 'one');
  });
  afterAll(async () => {
    agent.destroy();
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('answers every request with 200 while its pods are replaced', async () => {
    const failures: unknown[] = [];
    let newOnes = 0;
    limen.apply('apps.yaml', apps('two', 2));
    await limen.until('the second version answers all requests', async () => {
      const answers = await Promise.all([ask(), ask(), ask(), ask()]);
      failures.push(...answers.filter((answer) => answer.status !== 200));
      newOnes = answers.every((answer) => answer.version === 'two') ? newOnes + 1 : 0;
      return newOnes === 100; // well past the moment when the old pods end
    });
    expect(failures).toEqual([]);
  });

  it('spreads requests over as many pods as it has replicas', async () => {
    limen.apply('apps.yaml', apps('two', 3));
    const pods = new Set<string>();
    await limen.until('three pods have answered', async () => {
      pods.add((await ask()).pod);
      return pods.size === 3;
    });
  });

  it('answers 503 once it is gone', async () => {
    limen.apply('apps.yaml', apps('two', 0));
    await limen.until('nobody is left', async () => (await ask()).status === 503);
    expect(await ask()).toMatchObject({ status: 503, pod: 'no healthy upstream' });
  });
});
