// One address that serves a port of a service.

/** An endpoint. Only ready ones are made. */
export interface Endpoint {
  /** IP address, DNS name, or `unix://` path. */
  readonly address: string;
  readonly port: number;
  /** What the labels of a DestinationRule's subset are held against. */
  readonly labels: Readonly<Record<string, string>>;
  /** `region/zone/subzone`, or ''. */
  readonly locality: string;
  /** Share of the traffic among its neighbours. */
  readonly weight: number;
  /** Name and namespace of the workload, for telemetry. */
  readonly workload: string;
  readonly namespace: string;
}

/** Endpoints by number of the service's port. */
export type EndpointsByPort = ReadonlyMap<number, readonly Endpoint[]>;

/** Where a pod says which `region/zone/subzone` it runs in (there are no nodes to ask). */
export const LOCALITY_LABEL = 'istio-locality';
