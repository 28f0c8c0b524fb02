// Where an Envoy that runs on this machine in place of a pod binds its listeners, since Envoy binds what a listener says, and a pod's `0.0.0.0:8080` would
// be every address of the machine. What holds as long as it runs it tells in the metadata of its node; which ports are published for it may change meanwhile, and
// comes from who supervises it.

import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** A port of this machine behind which a listener's port is served. */
export interface BindPublish {
  /** The IP address to bind. */
  readonly address: string;
  readonly port: number;
  /** The port the listener has in its pod. */
  readonly listenerPort: number;
}

/** How addresses of a pod become addresses of this machine. */
export interface Bind {
  /** The pod's own IP: takes the place of the wildcard addresses. */
  readonly address: string;
  /** Ports of the pod that are another process's on this machine: published ports alone lead to their listeners. */
  readonly taken: readonly number[];
  readonly publish: readonly BindPublish[];
  /** Whether other pods of the same Service bind the published ports beside it (SO_REUSEPORT). */
  readonly reusePort: boolean;
}

/** An address to bind. */
export interface BindAddress {
  readonly address: string;
  readonly port: number;
}

/** The key in a node's metadata. */
export const BIND_METADATA = 'LIMEN_BIND';
/**
 * The key in a listener's `metadata.filter_metadata` under which the address that it has in its pod stands; with `published: true` in one that is
 * there beside the listener of that address, for a published port.
 */
export const LISTENER_METADATA = 'limen.dev';

/** The node's metadata that stands for the rules, without published ports. */
export function bindMetadata({ address, taken, reusePort }: Omit<Bind, 'publish'>): JsonObject {
  return { address, ...(taken.length > 0 ? { taken: [...taken] } : {}), ...(reusePort ? { reusePort } : {}) };
}

/**
 * Reads the rules out of a node's metadata; no port is published by them.
 * @returns undefined where there are none: listeners are bound where they say
 * @throws Error that says what is wrong with them
 */
export function parseBind(value: JsonValue | undefined): Bind | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) throw malformed('expected an object');
  const { address, taken = [], reusePort = false } = value;
  if (typeof address !== 'string') throw malformed('address: expected an IP address');
  if (!Array.isArray(taken) || !taken.every(isPort)) throw malformed('taken: expected a list of ports, 1 to 65535');
  if (typeof reusePort !== 'boolean') throw malformed('reusePort: expected true or false');
  return { address, taken, reusePort, publish: [] };
}

/** Where a listener itself is bound: undefined where nothing but published ports leads to it. One of one particular address has that. */
export function ownAddress({ address, port }: BindAddress, bind: Omit<Bind, 'publish'>): BindAddress | undefined {
  if (bind.taken.includes(port)) return undefined;
  return { address: isWildcard(address) ? bind.address : address, port };
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function isPort(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(why: string): Error {
  return new Error(`node metadata ${BIND_METADATA}: ${why}`);
}
