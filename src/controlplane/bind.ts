// Where an Envoy that runs on this machine in place of a pod binds its listeners: told in the metadata of its node, since Envoy binds
// what a listener says, and a pod's `0.0.0.0:8080` would be every address of the machine.

import type { JsonObject, JsonValue } from '@bufbuild/protobuf';

/** A port of this machine behind which a listener's port is served. */
export interface BindPublish {
  /** The IP address to bind. */
  readonly address: string;
  readonly port: number;
  /** The port the listener has in its pod. */
  readonly listenerPort: number;
  /** The published port is the only one: the pod's own is another process's on this machine. */
  readonly only: boolean;
}

/** How addresses of a pod become addresses of this machine. */
export interface Bind {
  /** The pod's own IP: takes the place of the wildcard addresses. Without one only published ports lead to a listener. */
  readonly address: string | undefined;
  readonly publish: readonly BindPublish[];
  /** Whether other pods of the same Service bind the published ports beside it (SO_REUSEPORT). */
  readonly reusePort?: boolean;
}

/** An address to bind. */
export interface BindAddress {
  readonly address: string;
  readonly port: number;
}

/** The key in a node's metadata. */
export const BIND_METADATA = 'LIMEN_BIND';
/** The key in a listener's `metadata.filter_metadata` under which the address that it has in its pod stands. */
export const LISTENER_METADATA = 'limen.dev';

/** The node's metadata that stands for the rules. */
export function bindMetadata({ address, publish, reusePort = false }: Bind): JsonObject {
  return {
    ...(address === undefined ? {} : { address }),
    publish: publish.map((each) => ({ ...each })),
    ...(reusePort ? { reusePort } : {}),
  };
}

/**
 * Reads the rules out of a node's metadata.
 * @returns undefined where there are none: listeners are bound where they say
 * @throws Error that says what is wrong with them
 */
export function parseBind(value: JsonValue | undefined): Bind | undefined {
  if (value === undefined) return undefined;
  if (!isObject(value)) throw malformed('expected an object');
  const { address, publish = [], reusePort = false } = value;
  if (address !== undefined && typeof address !== 'string') throw malformed('address: expected an IP address');
  if (!Array.isArray(publish)) throw malformed('publish: expected a list');
  if (typeof reusePort !== 'boolean') throw malformed('reusePort: expected true or false');
  if (address === undefined && publish.length === 0) return undefined;
  return { address, publish: publish.map(parsePublish), ...(reusePort ? { reusePort } : {}) };
}

/**
 * The addresses a listener is bound to, the first one first; a listener of one particular address has that beside its published ones.
 * Empty where nothing of this machine leads to it.
 */
export function bindAddresses({ address, port }: BindAddress, bind: Bind): BindAddress[] {
  const publish = bind.publish.filter(({ listenerPort }) => listenerPort === port);
  const own = isWildcard(address) ? bind.address : address;
  const first = own === undefined || publish.some(({ only }) => only) ? [] : [{ address: own, port }];
  return [...first, ...publish.map((each) => ({ address: each.address, port: each.port }))];
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function parsePublish(value: JsonValue, index: number): BindPublish {
  const { address, port, listenerPort, only } = isObject(value) ? value : {};
  if (typeof address !== 'string' || !isPort(port) || !isPort(listenerPort))
    throw malformed(`publish[${index}]: expected {"address": IP, "port": 1 to 65535, "listenerPort": 1 to 65535}`);
  return { address, port, listenerPort, only: only === true };
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
