// The configuration that the benchmarks share: one Gateway, and one service on this machine.

/** A Gateway on port 80 for a host. */
export const gateway = (host: string) => `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: bench, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
    - { port: { number: 80, name: http, protocol: HTTP }, hosts: [${host}] }
`;

/** A Gateway on port 80 for a host, and on port 443 with a certificate (PEM). */
export const gatewayWithTls = (
  host: string,
  { certificate, key }: { certificate: string; key: string },
) => `${gateway(host)}    - port: { number: 443, name: https, protocol: HTTPS }
      hosts: ["*"]
      tls: { mode: SIMPLE, credentialName: bench }
---
apiVersion: v1
kind: Secret
metadata: { name: bench, namespace: istio-system }
type: kubernetes.io/tls
stringData:
  tls.crt: ${JSON.stringify(certificate)}
  tls.key: ${JSON.stringify(key)}
`;

/** The service `up.example`, port 80, which is a port of 127.0.0.1. */
export const serviceEntry = (targetPort: number) => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: up, namespace: default }
spec:
  hosts: [up.example]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: ${targetPort} }]
  endpoints: [{ address: 127.0.0.1 }]
`;
