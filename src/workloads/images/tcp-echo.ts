// The images `cjimti/go-echo` (greets, then sends back what it gets) and `istio/tcp-echo-server` (each line with a prefix).

import { createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { ContainerContext, SampleImage } from './image.ts';

/** Environment: TCP_PORT, and for the greeting NODE_NAME, POD_NAME, POD_NAMESPACE, POD_IP, SERVICE_ACCOUNT; each one that is missing leaves its line out. */
export const tcpEcho: SampleImage = {
  names: ['cjimti/go-echo', 'istio/tcp-echo-server'],
  defaultPort: ({ TCP_PORT }) => Number(TCP_PORT ?? 1025) || 1025,
  createServer: (context) =>
    context.repository.endsWith('tcp-echo-server') ? prefixServer(context) : greetingServer(context),
};

function greetingServer({ env }: ContainerContext): Server {
  const lines: [text: string, value: string | undefined][] = [
    ['Welcome, you are connected to node ', env.NODE_NAME],
    ['Running on Pod ', env.POD_NAME],
    ['In namespace ', env.POD_NAMESPACE],
    ['With IP address ', env.POD_IP],
    ['Service ', env.SERVICE_ACCOUNT],
  ];
  const greeting = lines
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([text, value]) => `${text}${value}.\n`)
    .join('');
  return createServer((socket) => {
    ignoreReset(socket);
    socket.write(greeting);
    socket.pipe(socket);
  });
}

/** Arguments as in Istio's sample: the ports, then the prefix (`hello` unless given). */
function prefixServer({ args }: ContainerContext): Server {
  const prefix = args[1] ?? 'hello';
  return createServer((socket) => {
    ignoreReset(socket);
    createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) =>
      socket.write(`${prefix} ${line}\n`),
    );
  });
}

/** A client that goes away is no news here. */
function ignoreReset(socket: Socket): void {
  socket.on('error', () => socket.destroy());
}
