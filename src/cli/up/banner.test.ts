import { describe, expect, it } from 'vitest';
import { curlLine, formatBanner } from './banner.ts';

const http = { name: 'http2', port: 80, targetPort: 8080, address: '127.0.0.1', hostPort: 8080 };

describe('the ready banner', () => {
  it('shows each gateway, where its ports lead, what moved and why, a curl line, the kubeconfig, and how long it took', () => {
    const text = formatBanner(
      {
        version: '1.2.3',
        gateways: [
          {
            name: 'istio-ingressgateway.istio-system',
            pods: 3,
            published: [
              { ...http, open: true, note: 'port 80 is taken' },
              { name: 'tls', port: 15443, targetPort: 15443, address: '127.0.0.1', hostPort: 15443, open: false },
            ],
          },
          { name: 'inner.default', pods: 1, published: [] },
          {
            name: 'my-user-gateway.istioinaction',
            pods: 1,
            published: [
              {
                ...{ name: 'tcp', port: 30007, targetPort: 31400, nodePort: 30100 },
                ...{ address: '127.0.0.1', hostPort: 30100, isNodePort: true, open: true },
              },
            ],
          },
        ],
        kubeconfig: '/home/you/.limen/kubeconfig',
        userHome: '/home/you',
        tries: [
          { host: 'webapp.istioinaction.io', path: '/api/catalog', virtualService: 'istioinaction/webapp-vs-from-gw' },
        ],
        objects: 12,
        readyMs: 640.4,
      },
      false,
    );
    expect(text).toBe(`
Limen 1.2.3  12 objects from files

  istio-ingressgateway.istio-system  (3 pods)
    http2  127.0.0.1:8080   Service port 80 → listener 8080  (port 80 is taken)
    tls    127.0.0.1:15443  Service port 15443 → listener 15443  (no listener yet)

  inner.default  (no published ports)

  my-user-gateway.istioinaction
    tcp    127.0.0.1:30100  node port 30100 → Service port 30007 → listener 31400

  Try
    curl -H "Host: webapp.istioinaction.io" http://127.0.0.1:8080/api/catalog

  kubectl
    export KUBECONFIG=~/.limen/kubeconfig

Ready in 640 ms
`);
  });

  it.each([
    ['/srv/limen/kubeconfig', '/srv/limen/kubeconfig'],
    ['/home/your/.limen/kubeconfig', '/home/your/.limen/kubeconfig'],
    ['/home/you/two words/kubeconfig', "'/home/you/two words/kubeconfig'"],
  ])('names the kubeconfig %s so that a shell finds it', (kubeconfig, word) => {
    const banner = { version: '1.2.3', gateways: [], tries: [], objects: 0, readyMs: 1 };
    expect(formatBanner({ ...banner, kubeconfig, userHome: '/home/you' }, false)).toContain(
      `export KUBECONFIG=${word}\n`,
    );
  });

  it('leaves the port out of a curl line where it is 80, and the Host header where any host will do', () => {
    expect(curlLine('*', '/productpage', { ...http, hostPort: 80 })).toBe('curl http://127.0.0.1/productpage');
  });
});
