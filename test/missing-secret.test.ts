// Secrets that do not exist, of listeners and of upstreams: the data plane is ready all the same, and what does not need them serves.
// Envoy would wait 15 s for each; it does not, since it is told at once that there is none.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { whyNoEnvoy } from './controlplane/envoy.ts';
import { Limen, temporaryDirectory } from './walkthroughs/limen.ts';

const CONFIG = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: g, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }
    - { port: { number: 443, name: https, protocol: HTTPS }, hosts: [a.example], tls: { mode: SIMPLE, credentialName: missing } }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up, namespace: default }
spec:
  hosts: [up.example]
  resolution: STATIC
  ports: [{ number: 443, name: http, protocol: HTTP }]
  endpoints: [{ address: 127.0.0.1 }]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: up, namespace: default }
spec:
  host: up.example
  trafficPolicy: { tls: { mode: MUTUAL, credentialName: missing-too, sni: up.example } }
`;

const why = whyNoEnvoy();
it.skipIf(why !== undefined)('an Envoy is told of missing secrets, and serves the rest', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'config'));
  writeFileSync(join(directory, 'config', 'config.yaml'), CONFIG);
  const limen = await Limen.up(directory, ['-f', join(directory, 'config'), '--data-plane', 'envoy'], [80, 443]);
  try {
    const { status } = await limen.curl('http://a.example/');
    expect(status).toBe(404);
    for (const name of ['missing', 'missing-too', 'missing-too-cacert'])
      expect(limen.output).toMatch(new RegExp(`type=SDS .*removed=\\["kubernetes://${name}"\\]`));
  } finally {
    expect(await limen.stop()).toEqual({ code: 0, left: [] });
  }
});
