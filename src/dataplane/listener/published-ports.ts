// The published ports of one worker: which are bound follows the rules and the listeners there are; what both still want keeps its socket.

import type { Publish } from '../config/bind-rules.ts';
import { Port, type SocketHandler } from './port.ts';

/** A rule, and its socket as soon as that is bound. */
interface Entry {
  publish: Publish;
  port: Port | undefined;
}

/** Sockets by the rules that ask for them. */
export class PublishedPorts {
  readonly #listenerOn: (port: number) => SocketHandler | undefined;
  #entries: readonly Entry[] = [];
  /** One round of binding at a time: two would each bind what is missing. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** @param listenerOn the listener that serves a port now */
  constructor(listenerOn: (port: number) => SocketHandler | undefined) {
    this.#listenerOn = listenerOn;
  }

  /**
   * Makes these the published ports. Those that are gone accept no more from now on, and their connections go on, as established ones do in a
   * cluster; those that stay keep their sockets, also when they lead to another listener's port.
   * @returns what could not be bound, an Error each for the user; it costs only itself, and is tried again with `bindMissing`
   */
  async follow(rules: readonly Publish[]): Promise<Error[]> {
    const before = new Set(this.#entries);
    this.#entries = rules.map((publish) => {
      const same = [...before].find((entry) => isSameSocket(entry.publish, publish));
      if (same === undefined) return { publish, port: undefined };
      before.delete(same);
      same.publish = publish;
      return same;
    });
    for (const { port } of before) void port?.close();
    this.point();
    return this.bindMissing();
  }

  /** Binds what is not bound: a shared port once a listener serves it, any other one at once. Resolves like `follow`. */
  bindMissing(): Promise<Error[]> {
    const result = this.#turn.then(() => this.#bindMissing());
    this.#turn = result.catch(() => {});
    return result;
  }

  /** To be called when listeners have changed: a published port leads to the listener that has the port it stands for. */
  point(): void {
    for (const { publish, port } of this.#entries)
      if (port !== undefined) port.handler = this.#listenerOn(publish.listenerPort);
  }

  /** The rules, with the port that was chosen where 0 was asked for. */
  get published(): Publish[] {
    return this.#entries.map(({ publish, port }) => ({
      ...publish,
      hostPort: port?.endpoint.port ?? publish.hostPort,
    }));
  }

  /** Accepts no more, for good. */
  close(): void {
    this.#closed = true;
    for (const { port } of this.#entries) void port?.close();
  }

  async #bindMissing(): Promise<Error[]> {
    const errors: Error[] = [];
    for (const entry of this.#entries) {
      const { host, hostPort, reusePort = false, listenerPort } = entry.publish;
      if (entry.port !== undefined || (reusePort && this.#listenerOn(listenerPort) === undefined)) continue;
      try {
        const port = await Port.bind({ host, port: hostPort }, reusePort);
        // The rules may be others by now.
        if (this.#closed || !this.#entries.includes(entry)) await port.close();
        else entry.port = port;
      } catch (error) {
        errors.push(error as Error);
      }
    }
    this.point();
    return errors;
  }
}

/** Any free port is another one for each listener. */
function isSameSocket(a: Publish, b: Publish): boolean {
  return (
    a.host === b.host &&
    a.hostPort === b.hostPort &&
    (a.reusePort ?? false) === (b.reusePort ?? false) &&
    (a.hostPort !== 0 || a.listenerPort === b.listenerPort)
  );
}
