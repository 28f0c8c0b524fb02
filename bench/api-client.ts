// Requests to an API server, one connection a client, each as cheap as Node.js makes it: what is measured is the server.

import type { IncomingMessage } from 'node:http';
import { Agent, type AgentOptions, request } from 'node:https';

/** How a server is reached. */
export interface Server {
  port: number;
  tls: Pick<AgentOptions, 'ca' | 'cert' | 'key'>;
  token?: string;
  accept?: string;
}

/** One client with one connection. */
export class Client {
  readonly #server: Server;
  readonly #agent: Agent;

  constructor(server: Server) {
    this.#server = server;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, ...server.tls });
  }

  /** The text of the answer. Throws when it is a refusal. */
  async send(method: string, path: string, body?: object, type = 'application/json'): Promise<string> {
    const response = await this.open(method, path, body, type);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    if ((response.statusCode ?? 0) >= 300) throw new Error(`${method} ${path}: ${response.statusCode} ${text}`);
    return text;
  }

  /** The head of the answer; its body comes. */
  open(method: string, path: string, body?: object, type = 'application/json'): Promise<IncomingMessage> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { port, token, accept = 'application/json' } = this.#server;
    const headers = {
      accept,
      'user-agent': 'bench',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(text === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
    };
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent: this.#agent }, resolve);
      sent.on('error', reject);
      sent.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
