// Tables of Services, Endpoints, EndpointSlices, Ingresses and IngressClasses, as kubectl shows them.

import type { ResourceObject } from '../../../resources/object.ts';
import type { EndpointSlice, Endpoints, Service } from '../../../resources/types.ts';
import { ageOf } from '../duration.ts';
import { AGE, column, firstThree, formatLabels, NAME, NONE, type Printer } from '../printer.ts';

export const servicePrinter: Printer<Service> = {
  columns: [
    NAME,
    column('Type', 'How the Service is published'),
    column('Cluster-IP', 'Address of the Service inside'),
    column('External-IP', 'Addresses of the Service from outside'),
    column('Port(s)', 'Ports of the Service, and node ports behind the colon'),
    AGE,
    column('Selector', 'Labels of the pods behind it', { priority: 1 }),
  ],
  cells({ metadata, spec, status }, now) {
    const { type = 'ClusterIP', clusterIP, ports = [] } = spec ?? {};
    const shown = ports.map(
      ({ port, nodePort, protocol = 'TCP' }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`,
    );
    return [
      metadata.name,
      type,
      clusterIP || NONE,
      externalAddresses(type, spec, status),
      shown.join(',') || NONE,
      ageOf(metadata.creationTimestamp, now),
      formatLabels(spec?.selector),
    ];
  },
};

function externalAddresses(type: string, spec: Service['spec'], status: Service['status']): string {
  const external = spec?.externalIPs ?? [];
  if (type === 'ExternalName') return spec?.externalName ?? NONE;
  if (type !== 'LoadBalancer') return external.join(',') || NONE;
  const balancers = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
  return [...new Set([...balancers, ...external])].join(',') || '<pending>';
}

export const endpointsPrinter: Printer<Endpoints> = {
  columns: [NAME, column('Endpoints', 'Addresses that are ready'), AGE],
  cells({ metadata, subsets = [] }, now) {
    const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
      ports.length === 0
        ? addresses.map(({ ip }) => ip)
        : ports.flatMap(({ port }) => addresses.map(({ ip }) => hostPort(ip, port))),
    );
    return [metadata.name, firstThree(all) || NONE, ageOf(metadata.creationTimestamp, now)];
  },
};

function hostPort(ip: string, port: number): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}

export const endpointSlicePrinter: Printer<EndpointSlice> = {
  columns: [
    NAME,
    column('AddressType', 'What the addresses are'),
    column('Ports', 'Ports of every endpoint'),
    column('Endpoints', 'Addresses'),
    AGE,
  ],
  cells({ metadata, addressType, ports, endpoints }, now) {
    const numbers = (ports ?? []).map(({ name, port }) => (port === undefined ? (name ?? '*') : String(port)));
    return [
      metadata.name,
      addressType,
      firstThree(numbers) || '<unset>',
      firstThree((endpoints ?? []).flatMap(({ addresses }) => addresses)) || '<unset>',
      ageOf(metadata.creationTimestamp, now),
    ];
  },
};

interface IngressSpec {
  ingressClassName?: string;
  rules?: { host?: string }[];
  tls?: unknown[];
}
interface IngressStatus {
  loadBalancer?: { ingress?: { ip?: string; hostname?: string }[] };
}

export const ingressPrinter: Printer<ResourceObject<IngressSpec, IngressStatus>> = {
  columns: [
    NAME,
    column('Class', 'IngressClass of its controller'),
    column('Hosts', 'Hosts of its rules'),
    column('Address', 'Addresses of the load balancer'),
    column('Ports', 'Ports it is on'),
    AGE,
  ],
  cells({ metadata, spec, status }, now) {
    const hosts = (spec?.rules ?? []).map(({ host }) => host ?? '').filter((host) => host !== '');
    const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
    return [
      metadata.name,
      spec?.ingressClassName ?? NONE,
      firstThree(hosts) || '*',
      addresses.join(','),
      spec?.tls === undefined ? '80' : '80, 443',
      ageOf(metadata.creationTimestamp, now),
    ];
  },
};

interface IngressClassSpec {
  controller?: string;
  parameters?: { apiGroup?: string; kind: string; name: string };
}

export const ingressClassPrinter: Printer<ResourceObject<IngressClassSpec>> = {
  columns: [NAME, column('Controller', 'Who serves it'), column('Parameters', 'Its parameters'), AGE],
  cells({ metadata, spec }, now) {
    const { parameters } = spec ?? {};
    const group = parameters?.apiGroup === undefined ? '' : `.${parameters.apiGroup}`;
    return [
      metadata.name,
      spec?.controller ?? '',
      parameters === undefined ? NONE : `${parameters.kind}${group}/${parameters.name}`,
      ageOf(metadata.creationTimestamp, now),
    ];
  },
};
