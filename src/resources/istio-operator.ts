// IstioOperator: what `istioctl install -f` reads. https://istio.io/latest/docs/reference/config/istio.operator.v1alpha1/

import type { ServiceSpec } from './types.ts';

/** Settings of a component that Kubernetes knows: the part of them that means something on one machine. */
export interface KubernetesResources {
  replicaCount?: number;
  service?: Partial<ServiceSpec>;
  serviceAnnotations?: Record<string, string>;
  podAnnotations?: Record<string, string>;
  env?: { name: string; value?: string; valueFrom?: object }[];
  resources?: object;
}

/** A gateway that is installed. Entries of profile, files and `--set` with one name are one. */
export interface GatewayComponent {
  /** `istio-ingressgateway` unless given. */
  name?: string;
  namespace?: string;
  enabled?: boolean;
  /** Labels of its pods, for Gateway selectors. */
  label?: Record<string, string>;
  k8s?: KubernetesResources;
}

/** A component without settings of its own here. */
export interface Component {
  enabled?: boolean;
}

export interface IstioOperatorSpec {
  profile?: string;
  /** Of gateways that name none. */
  namespace?: string;
  revision?: string;
  meshConfig?: Record<string, unknown>;
  components?: {
    base?: Component;
    pilot?: Component;
    cni?: Component;
    ztunnel?: Component;
    ingressGateways?: GatewayComponent[];
    egressGateways?: GatewayComponent[];
  };
  values?: Record<string, unknown>;
}

/** The profiles there are here. https://istio.io/latest/docs/setup/additional-setup/config-profiles/ */
export const PROFILES = ['default', 'demo', 'minimal', 'empty'] as const;
export type Profile = (typeof PROFILES)[number];
export const DEFAULT_PROFILE: Profile = 'default';
