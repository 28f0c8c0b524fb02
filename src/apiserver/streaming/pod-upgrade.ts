// Upgrade requests on a pod: exec, attach, portforward, by SPDY or WebSocket.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { PodAccess } from '../../resources/pod-access.ts';
import { isTrue } from '../request-info.ts';
import { runCommand } from './command-session.ts';
import { forwardPorts } from './port-forward.ts';
import { accept, asksForSpdy, type CommandQuery, PORT_FORWARD_PROTOCOL, upgradeCommand } from './spdy-upgrade.ts';
import { acceptCommand, acceptPortForward } from './websocket.ts';

/** What an upgrade request asks for: authenticated and authorised already. */
export interface PodUpgrade {
  readonly namespace: string;
  readonly pod: string;
  readonly subresource: 'attach' | 'exec' | 'portforward';
  readonly query: URLSearchParams;
}

/** Serves the upgrade until client or pod is done. Never rejects. */
export async function servePodUpgrade(
  upgrade: PodUpgrade,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  access: PodAccess,
): Promise<void> {
  const { namespace, pod, subresource, query } = upgrade;
  socket.on('error', () => {}); // the client is gone: its streams are told by 'close'
  const spdy = asksForSpdy(request);
  if (subresource === 'portforward') {
    const connect = (port: number) => access.connect({ namespace, pod }, port);
    if (!spdy) return acceptPortForward(request, socket, head, portsOf(query), connect);
    if (accept(request, socket, PORT_FORWARD_PROTOCOL)) await forwardPorts(socket, head, connect);
    return;
  }
  const streams = commandQuery(query);
  const client = await (spdy ? upgradeCommand : acceptCommand)(request, socket, head, streams);
  if (client === undefined) return;
  const container = { namespace, pod, ...(query.has('container') && { container: query.get('container') ?? '' }) };
  const start = () =>
    subresource === 'exec'
      ? access.exec(container, query.getAll('command'), streams.tty)
      : access.attach(container, streams.tty);
  await runCommand(start, client);
}

/** The query of PodExecOptions and PodAttachOptions. */
function commandQuery(query: URLSearchParams): CommandQuery {
  const has = (name: keyof CommandQuery) => isTrue(query.get(name));
  return { stdin: has('stdin'), stdout: has('stdout'), stderr: has('stderr'), tty: has('tty') };
}

function portsOf(query: URLSearchParams): number[] {
  return query
    .getAll('ports')
    .flatMap((ports) => ports.split(','))
    .map(Number)
    .filter((port) => Number.isInteger(port) && port > 0 && port < 65_536);
}
