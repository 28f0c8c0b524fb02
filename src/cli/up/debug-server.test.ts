import { request } from 'node:http';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type DebugServer, startDebugServer } from './debug-server.ts';

let server: DebugServer;
beforeAll(async () => {
  server = await startDebugServer({ clients: () => [] }, pino({ level: 'silent' }));
});
afterAll(() => server.close());

/** The status of an answer, and its body. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request(`http://${server.address}${path}`, { method, headers, agent: false }, (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve([response.statusCode ?? 0, body]));
    });
    sent.on('error', reject);
    sent.end();
  });
}

it('listens on loopback and tells who is connected', async () => {
  expect(server.address).toMatch(/^127\.0\.0\.1:\d+$/);
  const [status, body] = await ask('/debug/syncz');
  expect(status).toBe(200);
  expect(JSON.parse(body)).toMatchObject({ resources: [] });
});

it('does not answer to names that a stranger may have pointed here, nor to their pages', async () => {
  expect((await ask('/debug/syncz', { host: 'rebound.example' }))[0]).toBe(403);
  expect((await ask('/debug/syncz', { origin: 'https://stranger.example' }))[0]).toBe(403);
});

it('has one path, to read', async () => {
  expect((await ask('/'))[0]).toBe(404);
  expect((await ask('/debug/syncz', {}, 'POST'))[0]).toBe(405);
});
