// HTTPRouteDestination and DestinationRule subsets: where a request goes, and what happens where there is nothing.

import { routes } from '../objects.ts';
import { get } from '../row.ts';
import { section } from '../section.ts';

const VERSIONS = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: reviews, namespace: default }
spec:
  host: reviews.mesh
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
    - { name: none, labels: { version: v9 } }`;

section(import.meta.url, [
  {
    name: 'destinations by name and port',
    yaml: routes(
      '{ match: [{ uri: { prefix: /short } }], route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { prefix: /long } }], route: [{ destination: { host: b.default.svc.cluster.local, port: { number: 80 } } }] }',
      '{ match: [{ uri: { prefix: /no-port } }], route: [{ destination: { host: a, port: { number: 81 } } }] }',
      '{ match: [{ uri: { prefix: /no-service } }], route: [{ destination: { host: nowhere } }] }',
      '{ match: [{ uri: { prefix: /no-endpoints } }], route: [{ destination: { host: empty } }] }',
      '{ match: [{ uri: { prefix: /refused } }], retries: { attempts: 0 }, route: [{ destination: { host: refused } }] }',
    ),
    rows: [
      { name: 'a short name', send: get('/short'), gives: '200' },
      { name: 'a full name with a port', send: get('/long'), gives: '200' },
      { name: 'a port that the service does not have', send: get('/no-port'), gives: '503' },
      { name: 'a service that does not exist', send: get('/no-service'), gives: '503' },
      { name: 'a service without endpoints', send: get('/no-endpoints'), gives: '503' },
      { name: 'an endpoint that refuses', send: get('/refused'), gives: '503' },
    ],
  },
  {
    name: 'subsets',
    yaml: `${VERSIONS}\n---${routes(
      '{ match: [{ uri: { prefix: /v1 } }], route: [{ destination: { host: reviews.mesh, subset: v1 } }] }',
      '{ match: [{ headers: { end-user: { exact: jason } } }], route: [{ destination: { host: reviews.mesh, subset: v2 } }] }',
      '{ match: [{ uri: { prefix: /none } }], route: [{ destination: { host: reviews.mesh, subset: none } }] }',
      '{ match: [{ uri: { prefix: /unknown } }], route: [{ destination: { host: reviews.mesh, subset: v3 } }] }',
    )}`,
    rows: [
      { name: 'v1', send: get('/v1'), gives: '200' },
      { name: 'v2 by header', send: get('/', { 'end-user': 'jason' }), gives: '200' },
      { name: 'a subset without endpoints', send: get('/none'), gives: '503' },
      { name: 'a subset that does not exist', send: get('/unknown'), gives: '503' },
    ],
  },
  {
    name: 'weights',
    yaml: `${VERSIONS}\n---${routes(
      '{ match: [{ uri: { prefix: /all } }], route: [{ destination: { host: reviews.mesh, subset: v1 }, weight: 0 }, { destination: { host: reviews.mesh, subset: v2 }, weight: 100 }] }',
      '{ match: [{ uri: { prefix: /same } }], route: [{ destination: { host: a }, weight: 30 }, { destination: { host: a }, weight: 70 }] }',
      '{ match: [{ uri: { prefix: /headers } }], route: [{ destination: { host: a }, weight: 100, headers: { request: { set: { x-to: a } }, response: { set: { x-from: a } } } }, { destination: { host: b }, weight: 0, headers: { request: { set: { x-to: b } } } }] }',
    )}`,
    rows: [
      { name: 'all for one', send: get('/all'), gives: '200' },
      { name: 'two of the same', send: get('/same'), gives: '200' },
      { name: 'headers of the destination', send: get('/headers'), gives: '200' },
    ],
  },
  {
    name: 'the order of routes',
    yaml: routes(
      '{ match: [{ uri: { prefix: /a/b } }], route: [{ destination: { host: b } }] }',
      '{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: a } }] }',
      '{ match: [{ uri: { exact: /a/c } }], route: [{ destination: { host: b } }] }',
    ),
    rows: [
      { name: 'the first that matches', send: get('/a/b/c'), gives: '200' },
      { name: 'an exact path behind a prefix is never reached', send: get('/a/c'), gives: '200' },
      { name: 'none', send: get('/b'), gives: '404' },
    ],
  },
  {
    name: 'load balancers of a DestinationRule',
    yaml: `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: a, namespace: default }
spec: { host: a, trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }, subsets: [{ name: any, trafficPolicy: { loadBalancer: { simple: RANDOM } } }] }
---${routes(
      '{ match: [{ uri: { prefix: /subset } }], route: [{ destination: { host: a, subset: any } }] }',
      '{ route: [{ destination: { host: a } }] }',
    )}`,
    rows: [
      { name: 'round robin over one', send: get('/'), gives: '200' },
      { name: 'random over one', send: get('/subset'), gives: '200' },
    ],
  },
]);
