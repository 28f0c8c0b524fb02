// Envoy's tls_inspector listener filter: waits for the first bytes of a connection and says what they are, taking nothing away.

import type { Socket } from 'node:net';
import type { TimerEntry, TimerWheel } from '../timer-wheel.ts';
import { type ClientHello, inspectClientHello } from './client-hello.ts';

/** What the first bytes are, and the bytes themselves. */
export interface Inspected {
  /** Undefined: not TLS. */
  readonly hello: ClientHello | undefined;
  /** All that was read; undefined when the time was over before a byte came. */
  readonly bytes: Buffer | undefined;
}

/** How long to wait, and what then. */
export interface InspectionLimits {
  readonly timers: TimerWheel;
  /** Envoy's `listener_filters_timeout`: 15 s unless configured; 0 = for ever. */
  readonly timeoutMs: number;
  /** After the time: go on as not TLS (for protocols in which the server speaks first), or close the connection. */
  readonly continueOnTimeout: boolean;
}

/**
 * Reads a paused socket until it is clear whether this is TLS and for whom, then pauses it again.
 * Not called back when the connection ends or is closed before.
 * @param onTimeout called before the connection is closed because its time was over
 */
export function inspectTls(
  socket: Socket,
  limits: InspectionLimits,
  done: (inspected: Inspected) => void,
  onTimeout: () => void,
): void {
  const chunks: Buffer[] = [];
  const timer: TimerEntry = {
    bucket: undefined,
    onTimeout() {
      if (limits.continueOnTimeout) return finish(undefined);
      stop();
      onTimeout();
      socket.destroy();
    },
  };
  if (limits.timeoutMs > 0) limits.timers.arm(timer, limits.timeoutMs);
  socket.on('readable', onReadable);
  socket.on('end', onEnd);
  socket.on('close', stop);

  function onReadable(): void {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) chunks.push(chunk);
    if (chunks.length === 0) return;
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    chunks.length = 0;
    chunks.push(bytes);
    const result = inspectClientHello(bytes);
    if (result !== 'incomplete') finish(result === 'not-tls' ? undefined : result);
  }

  // Half a ClientHello and then nothing: there is no one to talk to.
  function onEnd(): void {
    stop();
    socket.destroy();
  }

  function finish(hello: ClientHello | undefined): void {
    stop();
    socket.pause();
    // Removing a 'readable' listener settles the stream's mode one tick later; whoever takes the socket must come after that.
    process.nextTick(() => {
      if (!socket.destroyed) done({ hello, bytes: chunks[0] });
    });
  }

  function stop(): void {
    limits.timers.disarm(timer);
    socket.off('readable', onReadable);
    socket.off('end', onEnd);
    socket.off('close', stop);
  }
}
