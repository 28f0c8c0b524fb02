// What a Kubernetes API server fills in where an object says nothing, as far as anyone sees it.
// https://github.com/kubernetes/kubernetes (pkg/apis/*/v1/defaults.go)

import { kindId, type ResourceObject } from '../object.ts';
import { type Fields, withDefault } from './fields.ts';
import { podSpecDefaults } from './pod.ts';
import { serviceDefaults } from './service.ts';

type Defaulting = (object: Fields) => Fields;

/** By kind id. */
const DEFAULTS: Readonly<Record<string, Defaulting>> = {
  Service: (object) => ({ ...object, spec: serviceDefaults(asFields(object.spec)) }),
  Pod: (object) => ({ ...object, spec: podSpecDefaults(asFields(object.spec), { ofPod: true }) }),
  'Deployment.apps': (object) => ({ ...object, spec: deploymentDefaults(asFields(object.spec)) }),
  'ReplicaSet.apps': (object) => ({
    ...object,
    spec: withTemplate(withDefault(asFields(object.spec), { replicas: 1 })),
  }),
  Secret: (object) => withDefault(object, { type: 'Opaque' }),
  Endpoints: (object) => ({
    ...object,
    ...(Array.isArray(object.subsets) && {
      subsets: object.subsets.map((subset) => ({ ...asFields(subset), ...withProtocols(asFields(subset)) })),
    }),
  }),
  'EndpointSlice.discovery.k8s.io': (object) => ({
    ...object,
    ...(Array.isArray(object.ports) && {
      ports: object.ports.map((port) => withDefault(asFields(port), { name: '', protocol: 'TCP' })),
    }),
  }),
};

/** The object with Kubernetes' defaults. Its types must be right. The same object where its kind has none. */
export function kubernetesDefaults(group: string, object: ResourceObject): ResourceObject {
  const defaulting = DEFAULTS[kindId(group, object.kind)];
  return defaulting === undefined ? object : (defaulting(object as unknown as Fields) as unknown as ResourceObject);
}

function deploymentDefaults(spec: Fields): Fields {
  const complete = withDefault(spec, {
    replicas: 1,
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
    strategy: {},
  });
  const strategy = withDefault(asFields(complete.strategy), { type: 'RollingUpdate' });
  if (strategy.type === 'RollingUpdate')
    strategy.rollingUpdate = withDefault(asFields(strategy.rollingUpdate), { maxUnavailable: '25%', maxSurge: '25%' });
  return withTemplate({ ...complete, strategy });
}

function withTemplate(spec: Fields): Fields {
  const template = asFields(spec.template);
  return {
    ...spec,
    template: { ...template, spec: podSpecDefaults(asFields(template.spec), { ofPod: false }) },
  };
}

function withProtocols(subset: Fields): Fields {
  if (!Array.isArray(subset.ports)) return {};
  return { ports: subset.ports.map((port) => withDefault(asFields(port), { protocol: 'TCP' })) };
}

function asFields(value: unknown): Fields {
  return (value ?? {}) as Fields;
}
