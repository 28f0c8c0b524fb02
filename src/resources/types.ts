// The kinds Limen reads, typed: the spec types come from the generated Istio and Kubernetes models (types only, none of their code).
// Every apiVersion of a kind (v1, v1beta1, v1alpha3) is the one type here.

import type { IDestinationRule } from '@kubernetes-models/istio/networking.istio.io/v1/DestinationRule';
import type { IGateway } from '@kubernetes-models/istio/networking.istio.io/v1/Gateway';
import type { IServiceEntry } from '@kubernetes-models/istio/networking.istio.io/v1/ServiceEntry';
import type { IVirtualService } from '@kubernetes-models/istio/networking.istio.io/v1/VirtualService';
import type { IWorkloadEntry } from '@kubernetes-models/istio/networking.istio.io/v1/WorkloadEntry';
import type { IDeployment } from 'kubernetes-models/apps/v1/Deployment';
import type { IEndpointSlice } from 'kubernetes-models/discovery.k8s.io/v1/EndpointSlice';
import type { IConfigMap } from 'kubernetes-models/v1/ConfigMap';
import type { IEndpoints } from 'kubernetes-models/v1/Endpoints';
import type { IPod } from 'kubernetes-models/v1/Pod';
import type { ISecret } from 'kubernetes-models/v1/Secret';
import type { IService } from 'kubernetes-models/v1/Service';
import type { ResourceObject } from './object.ts';

type Spec<Model extends { spec?: unknown }> = NonNullable<Model['spec']>;

export type GatewaySpec = Spec<IGateway>;
export type GatewayServer = NonNullable<GatewaySpec['servers']>[number];
export type VirtualServiceSpec = Spec<IVirtualService>;
export type HttpRoute = NonNullable<VirtualServiceSpec['http']>[number];
export type TcpRoute = NonNullable<VirtualServiceSpec['tcp']>[number];
export type TlsRoute = NonNullable<VirtualServiceSpec['tls']>[number];
type DestinationRuleModel = Spec<IDestinationRule>;
type PolicyModel = NonNullable<DestinationRuleModel['trafficPolicy']>;
// A port has settings like a policy, a subset a policy like the rule. The model spells these types out each time; to find out that they are one
// costs the compiler half a minute.
export type TrafficPolicy = Omit<PolicyModel, 'portLevelSettings'> & {
  portLevelSettings?: (Pick<PolicyModel, 'connectionPool' | 'loadBalancer' | 'outlierDetection' | 'tls'> &
    Pick<NonNullable<PolicyModel['portLevelSettings']>[number], 'port'>)[];
};
export type Subset = Omit<NonNullable<DestinationRuleModel['subsets']>[number], 'trafficPolicy'> & {
  trafficPolicy?: TrafficPolicy;
};
export type DestinationRuleSpec = Omit<DestinationRuleModel, 'subsets' | 'trafficPolicy'> & {
  subsets?: Subset[];
  trafficPolicy?: TrafficPolicy;
};
export type ServiceEntrySpec = Spec<IServiceEntry>;
export type WorkloadEntrySpec = Spec<IWorkloadEntry>;
export type ServiceSpec = Spec<IService>;

export type Gateway = ResourceObject<GatewaySpec>;
export type VirtualService = ResourceObject<VirtualServiceSpec>;
export type DestinationRule = ResourceObject<DestinationRuleSpec>;
export type ServiceEntry = ResourceObject<ServiceEntrySpec>;
export type WorkloadEntry = ResourceObject<WorkloadEntrySpec>;
export type Service = ResourceObject<ServiceSpec, IService['status']>;
export type Pod = ResourceObject<Spec<IPod>, IPod['status']>;
export type Deployment = ResourceObject<Spec<IDeployment>, IDeployment['status']>;
/** Endpoints, EndpointSlice, Secret and ConfigMap keep their content beside `metadata`, not under `spec`. */
export type Endpoints = ResourceObject & Pick<IEndpoints, 'subsets'>;
export type EndpointSlice = ResourceObject & Pick<IEndpointSlice, 'addressType' | 'endpoints' | 'ports'>;
/** `data` is base64; the loader folds `stringData` into it, as the Kubernetes API server does. */
export type Secret = ResourceObject & Pick<ISecret, 'data' | 'type'>;
export type ConfigMap = ResourceObject & Pick<IConfigMap, 'data'>;

/** The type of each kind, by kind name. */
export interface Kinds {
  Gateway: Gateway;
  VirtualService: VirtualService;
  DestinationRule: DestinationRule;
  ServiceEntry: ServiceEntry;
  WorkloadEntry: WorkloadEntry;
  Namespace: ResourceObject;
  Service: Service;
  Pod: Pod;
  Deployment: Deployment;
  Endpoints: Endpoints;
  EndpointSlice: EndpointSlice;
  Secret: Secret;
  ConfigMap: ConfigMap;
  ServiceAccount: ResourceObject;
}

/** A kind Limen reads. */
export type KindName = keyof Kinds;

/** The `kindId` of each kind in {@link Kinds}: other groups may have a kind of that name too (the Gateway API has a Gateway). */
export const KIND_IDS: { readonly [Name in KindName]: string } = {
  Gateway: 'Gateway.networking.istio.io',
  VirtualService: 'VirtualService.networking.istio.io',
  DestinationRule: 'DestinationRule.networking.istio.io',
  ServiceEntry: 'ServiceEntry.networking.istio.io',
  WorkloadEntry: 'WorkloadEntry.networking.istio.io',
  Namespace: 'Namespace',
  Service: 'Service',
  Pod: 'Pod',
  Deployment: 'Deployment.apps',
  Endpoints: 'Endpoints',
  EndpointSlice: 'EndpointSlice.discovery.k8s.io',
  Secret: 'Secret',
  ConfigMap: 'ConfigMap',
  ServiceAccount: 'ServiceAccount',
};
