// The YAML of the objects that most cases have: the Gateway `gateway`, the VirtualService `routes`.

/** Objects one after another. */
export const all = (...documents: string[]) => documents.join('\n---\n');

/** @param servers each as one line of YAML */
export const gateway = (...servers: string[]) => `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: gateway, namespace: default }
spec:
  selector: { istio: ingressgateway }
  servers:
${servers.map((each) => `    - ${each}`).join('\n')}`;

/** HTTP on port 80, for every host. */
export const HTTP_GATEWAY = gateway('{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }');

/**
 * @param rest what follows in its `spec`, indented by two spaces
 * @param hosts as a YAML list
 */
export const virtualService = (rest: string, hosts = '[shop.example]') => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: routes, namespace: default }
spec:
  hosts: ${hosts}
  gateways: [gateway]
${rest}`;

/** @param http each route as one line of YAML */
export const routes = (...http: string[]) =>
  virtualService(['  http:', ...http.map((each) => `    - ${each}`)].join('\n'));

/** What a route needs to lead to the upstream `a`. */
export const TO_A = 'route: [{ destination: { host: a } }]';
