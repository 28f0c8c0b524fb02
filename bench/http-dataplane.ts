// Requests per CPU-second of the HTTP data plane beside nginx: same upstream, same route, one worker each, access log off.
// node bench/http-dataplane.ts [seconds] [--prof]     needs nginx and wrk on the PATH

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const CHILD_FLAG = '--serve';
const TICKS_PER_SECOND = 100;

if (process.argv[2] === CHILD_FLAG) await serve(Number(process.argv[3]), Number(process.argv[4]));
else await main(Number(process.argv[2] ?? 5), process.argv.includes('--prof'));

/** The child: a gateway as Istio configures one. */
async function serve(port: number, upstreamPort: number): Promise<void> {
  const { startGateway, staticCluster } = await import('../test/dataplane/in-process-gateway.ts');
  await startGateway(
    {
      hcm: {
        use_remote_address: true,
        normalize_path: true,
        stream_idle_timeout: '0s',
        forward_client_cert_details: 'SANITIZE_SET',
        route_config: {
          name: 'http.8080',
          ignore_port_in_host_matching: true,
          virtual_hosts: [
            {
              name: 'bench:80',
              domains: ['bench.test'],
              include_request_attempt_count: true,
              routes: [
                { match: { prefix: '/static' }, route: { cluster: 'up', timeout: '0s' } },
                {
                  match: { prefix: '/' },
                  route: {
                    cluster: 'up',
                    timeout: '0s',
                    retry_policy: {
                      retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
                      num_retries: 2,
                      retriable_status_codes: [503],
                      host_selection_retry_max_attempts: '5',
                      retry_host_predicate: [{ name: 'envoy.retry_host_predicates.previous_hosts' }],
                    },
                  },
                },
              ],
            },
          ],
        },
      },
      clusters: [staticCluster('up', [upstreamPort])],
    },
    port,
  );
  process.on('SIGTERM', () => process.exit(0));
}

async function main(seconds: number, profile: boolean): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'limen-bench-'));
  const [upstreamPort, nginxPort, ownPort] = [await freePort(), await freePort(), await freePort()];
  const children: ChildProcess[] = [];
  try {
    children.push(
      nginx(
        dir,
        'upstream',
        `server { listen 127.0.0.1:${upstreamPort}; location / { return 200 "hello world\\n"; } }`,
      ),
    );
    children.push(
      nginx(
        dir,
        'proxy',
        `upstream up { server 127.0.0.1:${upstreamPort}; keepalive 64; }
         server { listen 127.0.0.1:${nginxPort}; server_name bench.test; location / { proxy_pass http://up; proxy_http_version 1.1;
           proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
           proxy_set_header X-Request-Id $request_id; } }`,
      ),
    );
    const own = spawn(
      process.execPath,
      [
        ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${dir}`] : []),
        import.meta.filename,
        CHILD_FLAG,
        String(ownPort),
        String(upstreamPort),
      ],
      { stdio: 'inherit' },
    );
    children.push(own);
    await Promise.all([upstreamPort, nginxPort, ownPort].map(accepting));
    console.log('proxy       requests   CPU-seconds   requests per CPU-second  user µs   sys µs');
    measure('nginx', workerPid(children[1]!.pid!), nginxPort, seconds);
    wrk(ownPort, 1); // warm up the compiler
    measure('limen', own.pid!, ownPort, seconds);
    if (profile) {
      own.kill('SIGTERM');
      await new Promise((resolve) => own.once('exit', resolve));
      console.log(`profile in ${dir}`);
    }
  } finally {
    for (const child of children) child.kill('SIGTERM');
    if (!profile) rmSync(dir, { recursive: true, force: true });
  }
}

function measure(name: string, pid: number, port: number, seconds: number): void {
  const before = cpuSeconds(pid);
  const requests = wrk(port, seconds);
  const after = cpuSeconds(pid);
  const user = after.user - before.user;
  const system = after.system - before.system;
  const cpu = user + system;
  const per = (value: number): string => ((value / requests) * 1e6).toFixed(1).padStart(8);
  const rate = String(Math.round(requests / cpu)).padStart(25);
  console.log(
    `${name.padEnd(10)} ${String(requests).padStart(9)} ${cpu.toFixed(2).padStart(13)} ${rate} ${per(user)} ${per(system)}`,
  );
}

function wrk(port: number, seconds: number): number {
  const { stdout } = spawnSync(
    'wrk',
    ['-t1', '-c64', `-d${seconds}s`, '-H', 'Host: bench.test', `http://127.0.0.1:${port}/api/catalog`],
    {
      encoding: 'utf8',
    },
  );
  const problems = stdout.split('\n').filter((line) => /Non-2xx|Socket errors/.test(line));
  if (problems.length > 0) console.log(problems.join('\n'));
  return Number(/(\d+) requests in/.exec(stdout)?.[1] ?? Number.NaN);
}

function nginx(dir: string, name: string, http: string): ChildProcess {
  const file = join(dir, `${name}.conf`);
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${join(dir, name)}.pid; error_log stderr crit; events { worker_connections 1024; }
     http { access_log off; keepalive_requests 100000000; client_body_temp_path ${dir}/${name}-a; proxy_temp_path ${dir}/${name}-b;
       fastcgi_temp_path ${dir}/${name}-c; uwsgi_temp_path ${dir}/${name}-d; scgi_temp_path ${dir}/${name}-e; ${http} }`,
  );
  return spawn('nginx', ['-c', file, '-p', dir], { stdio: 'inherit' });
}

function workerPid(masterPid: number): number {
  return Number(readFileSync(`/proc/${masterPid}/task/${masterPid}/children`, 'utf8').trim().split(' ')[0]);
}

function cpuSeconds(pid: number): { user: number; system: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return { user: Number(fields[11]) / TICKS_PER_SECOND, system: Number(fields[12]) / TICKS_PER_SECOND };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function accepting(port: number): Promise<void> {
  const { connect } = await import('node:net');
  for (let tries = 0; tries < 100; tries += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing accepts on 127.0.0.1:${port}`);
}
