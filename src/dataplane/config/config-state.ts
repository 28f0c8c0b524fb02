// The resources a data plane has accepted, by type and name, with their versions: what new workers start from and what `/config_dump` shows.

import type { Any } from '@bufbuild/protobuf/wkt';
import type { DecodedResource } from '../../xds/client.ts';
import type { RouteConfiguration } from '../../xds/gen/envoy/config/route/v3/route_pb.js';
import { subscribedName, TypeUrl } from '../../xds/resources.ts';
import type { ResourceMessage } from '../../xds/schemas.ts';
import type { DynamicResource, UpdateFailure } from '../admin/view.ts';
import { withVirtualHosts } from './routes-dump.ts';

/** One resource that came over xDS. */
interface Stored {
  /** Undefined where every update so far was refused. */
  accepted: { any: Any; message: ResourceMessage; versionInfo: string; lastUpdated: number } | undefined;
  failure: UpdateFailure | undefined;
  state: 'active' | 'warming';
}

/** All resources of one data plane. */
export class ConfigState {
  readonly #types = new Map<TypeUrl, Map<string, Stored>>(Object.values(TypeUrl).map((url) => [url, new Map()]));

  /** The accepted message under a name. */
  get<Message extends ResourceMessage>(typeUrl: TypeUrl, name: string): Message | undefined {
    return this.#of(typeUrl).get(name)?.accepted?.message as Message | undefined;
  }

  /** Whether there is anything under a name, were it a refused first version. */
  has(typeUrl: TypeUrl, name: string): boolean {
    return this.#of(typeUrl).has(name);
  }

  /** Names that have an accepted resource. */
  names(typeUrl: TypeUrl): string[] {
    return this.accepted(typeUrl).map(({ name }) => name);
  }

  /** All accepted resources. */
  accepted(typeUrl: TypeUrl): DecodedResource[] {
    const found: DecodedResource[] = [];
    for (const [name, { accepted }] of this.#of(typeUrl))
      if (accepted !== undefined) {
        const { message, any, versionInfo: version } = accepted;
        found.push({ name, message, any, version });
      }
    return found;
  }

  /** The same bytes are in use already. */
  isUnchanged(typeUrl: TypeUrl, { name, any, message }: DecodedResource): boolean {
    const accepted = this.#of(typeUrl).get(name)?.accepted;
    return (
      accepted !== undefined && (accepted.message === message || Buffer.compare(accepted.any.value, any.value) === 0)
    );
  }

  /** @param now milliseconds since the epoch */
  accept(typeUrl: TypeUrl, { name, any, message, version: versionInfo }: DecodedResource, now: number): void {
    const state = typeUrl === TypeUrl.Listener || typeUrl === TypeUrl.Cluster ? 'warming' : 'active';
    this.#of(typeUrl).set(name, {
      accepted: { any, message, versionInfo, lastUpdated: now },
      failure: undefined,
      state,
    });
  }

  /** The resource in use stays. */
  refuse(typeUrl: TypeUrl, { name, any, version: versionInfo }: DecodedResource, details: string, now: number): void {
    const stored = this.#of(typeUrl).get(name);
    const failure: UpdateFailure = { details, lastUpdateAttempt: now, versionInfo, failedConfiguration: any };
    if (stored !== undefined) stored.failure = failure;
    else this.#of(typeUrl).set(name, { accepted: undefined, failure, state: 'active' });
  }

  /** The resource in use was sent again: what was refused in between is history. */
  clearFailure(typeUrl: TypeUrl, name: string): void {
    const stored = this.#of(typeUrl).get(name);
    if (stored !== undefined) stored.failure = undefined;
  }

  setActive(typeUrl: TypeUrl, name: string): void {
    const stored = this.#of(typeUrl).get(name);
    if (stored !== undefined) stored.state = 'active';
  }

  /** @returns whether it was there */
  remove(typeUrl: TypeUrl, name: string): boolean {
    return this.#of(typeUrl).delete(name);
  }

  /** Everything known under a type, refused first versions included. */
  allNames(typeUrl: TypeUrl): string[] {
    return [...this.#of(typeUrl).keys()];
  }

  /** As the admin interface shows it: a RouteConfiguration with its virtual hosts, also where these came by themselves. */
  dump(typeUrl: TypeUrl): DynamicResource[] {
    const resources = this.#dumped(typeUrl);
    if (typeUrl !== TypeUrl.RouteConfiguration) return resources;
    const byRoutes = Map.groupBy(this.#dumped(TypeUrl.VirtualHost), ({ name }) =>
      subscribedName(TypeUrl.VirtualHost, name),
    );
    return resources.map((routes) =>
      this.get<RouteConfiguration>(typeUrl, routes.name)?.vhds === undefined
        ? routes
        : withVirtualHosts(routes, byRoutes.get(routes.name) ?? []),
    );
  }

  #dumped(typeUrl: TypeUrl): DynamicResource[] {
    return Array.from(this.#of(typeUrl), ([name, { accepted, failure, state }]) => ({
      name,
      versionInfo: accepted?.versionInfo ?? '',
      lastUpdated: accepted?.lastUpdated ?? failure?.lastUpdateAttempt ?? 0,
      resource: accepted?.any,
      state,
      ...(failure === undefined ? {} : { errorState: failure }),
    }));
  }

  #of(typeUrl: TypeUrl): Map<string, Stored> {
    return this.#types.get(typeUrl) as Map<string, Stored>;
  }
}
