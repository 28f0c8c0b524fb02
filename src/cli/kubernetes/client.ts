// A client of the running instance's Kubernetes API: HTTPS with the certificate of $LIMEN_HOME/kubeconfig, JSON in and out.

import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { text as textOf } from 'node:stream/consumers';
import { parse } from 'yaml';
import type { Status } from '../../apiserver/status.ts';
import { limenHome, readInstance } from '../instance.ts';
import { kubeconfigFile } from '../kubeconfig-file.ts';

/** What a command touches of the world outside. */
export interface Io {
  stdout: (text: string) => void;
  stderr: (text: string) => void;
  env: Readonly<Record<string, string | undefined>>;
}

/** What the server answered with other than success. The message is the server's. */
export class ApiRefusal extends Error {
  override name = 'ApiRefusal';
  readonly status: Status;

  constructor(status: Status) {
    super(status.message ?? `the server answered ${status.code}`);
    this.status = status;
  }
}

/** A request's body and what it is written in. */
export interface Content {
  type: string;
  text: string;
}

/** What the server answered: `status` from 200 to 299, the body as JSON. */
export interface ApiAnswer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: documents of many kinds; each caller knows which it asked for
  body: any;
}

/** What of a kubeconfig is needed. `limen up` writes it, so there is one of each. */
interface Kubeconfig {
  clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
  users: [{ user: { 'client-certificate-data': string; 'client-key-data': string } }];
}

/** The API of one instance. */
export class ApiClient {
  readonly #server: URL;
  readonly #agent: Agent;
  readonly #warn: (text: string) => void;

  private constructor(server: URL, agent: Agent, warn: (text: string) => void) {
    this.#server = server;
    this.#agent = agent;
    this.#warn = warn;
  }

  /**
   * A client of the instance that runs with a home. Its warnings go to standard error.
   * @throws Error for the user: nothing runs there, or its kubeconfig is not what `limen up` writes
   */
  static open(io: Io, homeFlag?: string): ApiClient {
    const home = limenHome(io.env, homeFlag);
    readInstance(home);
    const file = kubeconfigFile(home);
    try {
      const { clusters, users } = parse(readFileSync(file, 'utf8')) as Kubeconfig;
      const bytes = (base64: string) => Buffer.from(base64, 'base64');
      const { cluster } = clusters[0];
      const { user } = users[0];
      const agent = new Agent({
        keepAlive: true,
        ca: bytes(cluster['certificate-authority-data']),
        cert: bytes(user['client-certificate-data']),
        key: bytes(user['client-key-data']),
      });
      return new ApiClient(new URL(cluster.server), agent, (text) => io.stderr(`Warning: ${text}\n`));
    } catch (error) {
      throw new Error(`${file} is not what "limen up" writes (${(error as Error).message}): start Limen anew`);
    }
  }

  /** @throws ApiRefusal; Error for the user when nobody answers */
  async send(method: string, path: string, content?: Content, accept = 'application/json'): Promise<ApiAnswer> {
    const response = await this.open(method, path, content, accept);
    return { status: response.statusCode ?? 0, body: JSON.parse(await textOf(response)) };
  }

  /** A GET. @param accept for tables; the server may answer with the objects themselves all the same */
  // biome-ignore lint/suspicious/noExplicitAny: as ApiAnswer.body
  async get(path: string, accept?: string): Promise<any> {
    return (await this.send('GET', path, undefined, accept)).body;
  }

  /** As `send`, but resolves with the answer's head: its body is read by the caller, as it comes. */
  async open(method: string, path: string, content?: Content, accept = 'application/json'): Promise<IncomingMessage> {
    const response = await this.#begin(method, path, content, accept);
    for (const text of warningsIn(response.headers.warning)) this.#warn(text);
    const { statusCode: code = 0 } = response;
    if (code >= 200 && code < 300) return response;
    const text = await textOf(response);
    throw new ApiRefusal(statusIn(text) ?? { ...EMPTY_STATUS, code, message: `the server answered ${code}: ${text}` });
  }

  #begin(method: string, path: string, content: Content | undefined, accept: string): Promise<IncomingMessage> {
    const { hostname: host, port } = this.#server;
    const headers = {
      accept,
      'user-agent': 'limen',
      ...(content === undefined
        ? {}
        : { 'content-type': content.type, 'content-length': Buffer.byteLength(content.text) }),
    };
    return new Promise((resolve, reject) => {
      const sent = request({ agent: this.#agent, host, port, method, path, headers }, resolve);
      sent.on('error', (error) => reject(new Error(`the API server at ${this.#server.host}: ${error.message}`)));
      sent.end(content?.text);
    });
  }
}

const EMPTY_STATUS: Omit<Status, 'code'> = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' };

function statusIn(text: string): Status | undefined {
  try {
    const value = JSON.parse(text) as Partial<Status> | null;
    return value?.kind === 'Status' && typeof value.code === 'number' ? (value as Status) : undefined;
  } catch {
    return undefined;
  }
}

/** The texts of `299 - "text"`, of which Node.js joins several by commas. https://www.rfc-editor.org/rfc/rfc7234#section-5.5 */
function warningsIn(header: string | string[] | undefined): string[] {
  return [...String(header ?? '').matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) =>
    text.replace(/\\(.)/g, '$1'),
  );
}
