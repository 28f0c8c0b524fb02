// The image `kennethreitz/httpbin` and its kin: endpoints that show the request and shape the response.

import { randomBytes } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import { httpServer, pause, readBody, send, sendHtml, sendText } from './http.ts';
import type { SampleImage } from './image.ts';

/** httpbin's own ceilings: seconds of /delay, bytes of /bytes, lines of /stream. */
const MAX_DELAY_SECONDS = 10;
const MAX_BYTES = 100 * 1024;
const MAX_LINES = 100;

const GO_HTTPBIN = 'mccutchen/go-httpbin';

/** Paths as https://httpbin.org documents them, without authentication, cookies and formats. */
export const httpbin: SampleImage = {
  names: ['kennethreitz/httpbin', 'kong/httpbin', 'postmanlabs/httpbin', GO_HTTPBIN],
  defaultPort: () => 8080,
  samplePath: '/headers',
  createServer(context) {
    const asLists = context.repository.endsWith(GO_HTTPBIN); // go-httpbin shows each header as a list of values
    return httpServer(context, async (request, response, url) => {
      response.setHeader('Access-Control-Allow-Origin', request.headers.origin ?? '*');
      response.setHeader('Access-Control-Allow-Credentials', 'true');
      const [, endpoint = '', argument = ''] = url.pathname.split('/');
      const described = () => describe(request, url, asLists);
      switch (endpoint) {
        case '':
          return sendHtml(response, 200, INDEX);
        case 'headers':
          return json(response, { headers: headersOf(request, asLists) });
        case 'ip':
          return json(response, { origin: originOf(request) });
        case 'user-agent':
          return json(response, { 'user-agent': request.headers['user-agent'] ?? null });
        case 'get':
          if (!['GET', 'HEAD'].includes(request.method ?? '')) return notAllowed(response, 'GET, HEAD, OPTIONS');
          return json(response, described());
        case 'post':
        case 'put':
        case 'patch':
        case 'delete':
          if (request.method !== endpoint.toUpperCase())
            return notAllowed(response, `${endpoint.toUpperCase()}, OPTIONS`);
          return json(response, { ...described(), ...(await describeBody(request)) });
        case 'anything':
          return json(response, { ...described(), method: request.method, ...(await describeBody(request)) });
        case 'delay': {
          const body = await describeBody(request);
          await pause(Math.min(Number(argument) || 0, MAX_DELAY_SECONDS) * 1000);
          return json(response, { ...described(), ...body });
        }
        case 'status':
          return status(response, argument);
        case 'bytes':
          return send(
            response,
            200,
            'application/octet-stream',
            randomBytes(Math.min(Math.max(Number.parseInt(argument, 10) || 0, 0), MAX_BYTES)),
          );
        case 'stream': {
          response.setHeader('Content-Type', 'application/json');
          const lines = Math.min(Math.max(Number.parseInt(argument, 10) || 0, 1), MAX_LINES);
          for (let id = 0; id < lines; id++) response.write(`${JSON.stringify({ ...described(), id })}\n`);
          response.end();
          return;
        }
        case 'response-headers': {
          for (const name of new Set(url.searchParams.keys())) response.setHeader(name, url.searchParams.getAll(name));
          return json(response, Object.fromEntries(url.searchParams));
        }
        case 'redirect-to': {
          const code = Number(url.searchParams.get('status_code') ?? 302);
          response.setHeader('Location', url.searchParams.get('url') ?? '/');
          return send(response, code >= 300 && code < 400 ? code : 302, 'text/html; charset=utf-8', '');
        }
        default:
          return sendText(response, 404, 'Not Found\n');
      }
    });
  },
};

/** httpbin's JSON: indented by two, keys sorted, a newline at the end. */
function json(response: ServerResponse, value: Record<string, unknown>): void {
  const sorted = Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  send(response, 200, 'application/json', `${JSON.stringify(sorted, null, 2)}\n`);
}

function notAllowed(response: ServerResponse, allow: string): void {
  response.setHeader('Allow', allow);
  sendText(response, 405, 'Method Not Allowed\n');
}

/** `/status/418`, or one of `/status/200,500` by chance. */
function status(response: ServerResponse, codes: string): void {
  const choices = codes.split(',').map(Number);
  const code = choices[Math.floor(Math.random() * choices.length)] as number;
  if (!choices.every((choice) => Number.isInteger(choice) && choice >= 200 && choice <= 599)) {
    sendText(response, 400, 'Invalid status code\n');
    return;
  }
  response.statusMessage = STATUS_CODES[code] ?? 'UNKNOWN';
  if (code >= 301 && code <= 308 && code !== 304) response.setHeader('Location', '/redirect/1');
  send(
    response,
    code,
    code === 418 ? 'text/plain; charset=utf-8' : 'text/html; charset=utf-8',
    code === 418 ? TEAPOT : '',
  );
}

const TEAPOT = 'I am a teapot: short and stout.\n';

/** The names as Python's and Go's servers show them, X-Envoy-Internal; several lines of one name joined with a comma, or as a list. */
function headersOf(request: IncomingMessage, asLists: boolean): Record<string, string | string[]> {
  const headers = new Map<string, string[]>();
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = titleCase(request.rawHeaders[index] as string);
    const values = headers.get(name) ?? [];
    values.push(request.rawHeaders[index + 1] as string);
    headers.set(name, values);
  }
  const sorted = [...headers].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([name, values]) => [name, asLists ? values : values.join(',')]));
}

/** `x-b3-traceid` → `X-B3-Traceid` */
function titleCase(name: string): string {
  return name
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1).toLowerCase())
    .join('-');
}

function originOf(request: IncomingMessage): string {
  return String(request.headers['x-forwarded-for'] ?? request.socket.remoteAddress ?? '');
}

function describe(request: IncomingMessage, url: URL, asLists: boolean): Record<string, unknown> {
  const args: Record<string, string | string[]> = {};
  for (const name of new Set(url.searchParams.keys())) {
    const values = url.searchParams.getAll(name);
    args[name] = values.length === 1 && !asLists ? (values[0] as string) : values;
  }
  const scheme = request.headers['x-forwarded-proto'] ?? 'http';
  return {
    args,
    headers: headersOf(request, asLists),
    origin: originOf(request),
    url: `${scheme}://${request.headers.host ?? ''}${url.pathname}${url.search}`,
  };
}

async function describeBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const text = (await readBody(request)).toString();
  const isForm = request.headers['content-type']?.startsWith('application/x-www-form-urlencoded') === true;
  return {
    data: isForm ? '' : text,
    files: {},
    form: isForm ? Object.fromEntries(new URLSearchParams(text)) : {},
    json: parseJson(text),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const INDEX = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>httpbin</title></head>
<body>
<h1>httpbin</h1>
<ul>
<li><a href="/headers">/headers</a>, <a href="/ip">/ip</a>, <a href="/user-agent">/user-agent</a>: what arrived</li>
<li><a href="/get">/get</a>, /post, /put, /patch, /delete, <a href="/anything">/anything</a>: the request as JSON</li>
<li>/status/CODE, /delay/SECONDS, /bytes/N, /stream/N, /response-headers?name=value, /redirect-to?url=URL: the response as asked for</li>
</ul>
</body>
</html>
`;
