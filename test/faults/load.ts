// Requests without a pause worth the name, over connections that stay and over new ones, and what became of each.

import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** A few requests at a time: enough that one is always under way, little enough for two slow cores. */
const KEPT_CONNECTIONS = 3;
const PAUSE_MS = 3;

/** A response, as far as the tests look. */
export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

/** GETs of one host until it is told to end. */
export class Load {
  /** How many were answered. */
  answered = 0;
  /** What was not a 200, in order. */
  readonly failures: string[] = [];
  /** The last answer that was a 200. */
  last: Answer | undefined;
  readonly #running: Promise<void>[];
  readonly #target: { host: string; port: number };
  readonly #hostHeader: string;
  #ending = false;

  constructor(target: { host: string; port: number }, hostHeader: string) {
    this.#target = target;
    this.#hostHeader = hostHeader;
    const kept = Array.from({ length: KEPT_CONNECTIONS }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
    this.#running = [...kept, undefined].map((agent) => this.#loop(agent));
  }

  /** Resolves when so many more were answered. */
  async more(count: number): Promise<void> {
    const enough = this.answered + count;
    while (this.answered < enough) await delay(PAUSE_MS);
  }

  /** Lets those under way finish. */
  async end(): Promise<void> {
    this.#ending = true;
    await Promise.all(this.#running);
  }

  async #loop(agent: Agent | undefined): Promise<void> {
    while (!this.#ending) {
      try {
        const answer = await get(this.#target, this.#hostHeader, agent);
        if (answer.status === 200) this.last = answer;
        else this.failures.push(`${answer.status} ${answer.body}`);
      } catch (error) {
        this.failures.push(String(error));
      }
      this.answered += 1;
      await delay(PAUSE_MS);
    }
    agent?.destroy();
  }
}

/** One GET of `/`; over a connection of its own where no agent keeps any. Rejects where the connection fails. */
export function get(target: { host: string; port: number }, host: string, agent?: Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...target, path: '/', agent: agent ?? false, headers: { host } }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
