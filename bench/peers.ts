// nginx and haproxy with the same route, one worker each: the yardsticks.

import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { childrenOf, freePort, start, until } from './processes.ts';

/** A proxy under measurement. */
export interface Peer {
  name: string;
  port: number;
  /** Where it speaks HTTP/2 by prior knowledge, if not there. */
  http2Port?: number;
  /** Where it speaks HTTP/1.1 and HTTP/2 over TLS. */
  tlsPort?: number;
  /** The process that carries the traffic. */
  pid: number;
  process: ChildProcess;
}

const nginxHead = (dir: string) => `
daemon off; master_process on; worker_processes 1; pid ${dir}/nginx.pid; error_log /dev/null crit;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 100000000; server_tokens off;
  client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy; fastcgi_temp_path ${dir}/fastcgi; uwsgi_temp_path ${dir}/uwsgi; scgi_temp_path ${dir}/scgi;
`;

/** The service behind the proxies: nginx with a 100-byte answer. */
export async function startUpstream(dir: string): Promise<Peer> {
  const port = await freePort();
  const file = join(dir, 'upstream.conf');
  writeFileSync(
    file,
    `${nginxHead(join(dir))}  server { listen 127.0.0.1:${port}; default_type application/json; location / { return 200 '${JSON.stringify({ items: 'x'.repeat(86) })}'; } }\n}`,
  );
  return started('upstream', port, start('nginx', ['-e', 'stderr', '-p', dir, '-c', file]), true);
}

/**
 * nginx with three routes on one host, of which the last matches; forwarding headers as the gateway sets them.
 * @param certificate a file of PEM: certificate and key
 */
export async function startNginx(dir: string, upstreamPort: number, certificate: string): Promise<Peer> {
  const port = await freePort();
  const http2Port = await freePort();
  const tlsPort = await freePort();
  const file = join(dir, 'proxy.conf');
  const proxied = `proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Request-Id $request_id;`;
  writeFileSync(
    file,
    `${nginxHead(dir)}
  upstream up { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 100000000; }
  ssl_certificate ${certificate}; ssl_certificate_key ${certificate};
  server { listen 127.0.0.1:${port} default_server; listen 127.0.0.1:${http2Port} default_server http2; return 404; }
  server { listen 127.0.0.1:${port}; listen 127.0.0.1:${http2Port} http2; listen 127.0.0.1:${tlsPort} ssl http2; server_name bench.example;
    location = /login { ${proxied} }
    location /static { ${proxied} }
    location /api { ${proxied} }
  }
}`,
  );
  const peer = await started('nginx', port, start('nginx', ['-e', 'stderr', '-p', dir, '-c', file]), true);
  return { ...peer, http2Port, tlsPort };
}

/** haproxy with the same routes. @param certificate as for nginx */
export async function startHaproxy(dir: string, upstreamPort: number, certificate: string): Promise<Peer> {
  const port = await freePort();
  const http2Port = await freePort();
  const tlsPort = await freePort();
  const file = join(dir, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:${port}
  bind 127.0.0.1:${http2Port} proto h2
  bind 127.0.0.1:${tlsPort} ssl crt ${certificate} alpn h2,http/1.1
  option forwardfor
  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  acl host hdr(host) -i bench.example
  acl login path /login
  acl static path_beg /static
  acl api path_beg /api
  use_backend up if host login
  use_backend up if host static
  use_backend up if host api
  http-request deny deny_status 404 if !host
backend up
  server up 127.0.0.1:${upstreamPort}
`,
  );
  return { ...(await started('haproxy', port, start('haproxy', ['-db', '-f', file]), false)), http2Port, tlsPort };
}

async function started(name: string, port: number, child: ChildProcess, worker: boolean): Promise<Peer> {
  await until(`${name} accepts`, 10, () => accepts(port));
  // nginx's master opens the port; its worker carries the traffic.
  const pid = worker
    ? await until(`${name} has a worker`, 10, () => childrenOf(child.pid as number)[0])
    : (child.pid as number);
  return { name, port, pid, process: child };
}

function accepts(port: number): Promise<true | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(undefined));
  });
}
