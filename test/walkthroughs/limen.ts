// A `limen up` of one's own for a test: a home and a configuration folder in a temporary place, real commands against it, an orderly end.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Instance } from '../../src/cli/instance.ts';
import { DATA_PLANE, isOnPath } from './tools.ts';

/** The checkout. */
export const ROOT = join(import.meta.dirname, '../..');
export const PROGRAM = join(ROOT, 'bin/limen.js');
export const EXAMPLES = join(ROOT, 'examples');

/** Generous, since all that counts is that it ends: two slow cores may be shared with other tests. */
const DEADLINE_MS = 15_000;
const POLL_MS = 20;

/** What a program said. */
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What curl got. */
export interface CurlOutcome extends Outcome {
  /** The first line of the last response: `HTTP/1.1 200 OK`, '' where there was none. */
  statusLine: string;
  status: number;
  /** By lower-case name. */
  headers: Record<string, string>;
  body: string;
}

/** A row of a table by column heading. */
export type Row = Record<string, string>;

/** The ports of the gateway's Service that the walkthroughs use. */
const SERVICE_PORTS = [80, 443, 31400, 15021];

/** A running instance. */
export class Limen {
  readonly home: string;
  readonly config: string;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #stdout = '';
  #stderr = '';

  private constructor(directory: string, child: ChildProcess) {
    this.#directory = directory;
    this.home = join(directory, 'home');
    this.config = join(directory, 'config');
    this.#child = child;
    child.stdout?.on('data', (chunk) => {
      this.#stdout += String(chunk);
    });
    child.stderr?.on('data', (chunk) => {
      this.#stderr += String(chunk);
    });
    this.#ended = new Promise((resolve) => {
      child.on('close', resolve);
    });
  }

  /** Starts `limen up` on an empty configuration folder and waits until it says it is ready. Service ports get free ports of this machine. */
  static start(servicePorts: readonly number[] = SERVICE_PORTS, args: readonly string[] = []): Promise<Limen> {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'config'));
    return Limen.up(directory, ['-f', join(directory, 'config'), ...args], servicePorts);
  }

  /** Starts `limen up` without any file, for kubectl to fill. */
  static startEmpty(args: readonly string[] = []): Promise<Limen> {
    return Limen.up(temporaryDirectory(), args, SERVICE_PORTS);
  }

  /** Starts `limen up` with these arguments in a directory, which goes when it stops. Its home is the folder `home` there. */
  static async up(directory: string, args: readonly string[], servicePorts: readonly number[]): Promise<Limen> {
    const publish = servicePorts.flatMap((port) => ['--publish', `0:${port}`]);
    const instance = ['--home', join(directory, 'home'), '--data-plane', DATA_PLANE];
    const child = spawn(process.execPath, [PROGRAM, 'up', ...instance, ...args, ...publish], {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    const limen = new Limen(directory, child);
    let ended = false;
    void limen.#ended.then(() => {
      ended = true;
    });
    try {
      await limen.until('limen up says that it is ready', () => {
        if (ended) throw new Error(`limen up ended: ${limen.#lastWords}`);
        return /Ready in \d+ ms/.test(limen.#stdout) && existsSync(join(limen.home, 'instance.json'));
      });
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
    return limen;
  }

  /** All it has printed. */
  get output(): string {
    return `${this.#stdout}\n${this.#stderr}`;
  }

  /** The end of it, for the messages of failed tests. */
  get #lastWords(): string {
    return this.output.split('\n').slice(-30).join('\n');
  }

  /** Writes a file into the configuration folder, at once or not at all. */
  apply(name: string, yaml: string): void {
    const unfinished = join(this.#directory, name);
    writeFileSync(unfinished, yaml);
    renameSync(unfinished, join(this.config, name));
  }

  /** Applies a file of an example: `coolstore/gateway.yaml`. A later one under the same `as` takes its place. */
  applyExample(path: string, as = basename(path)): void {
    this.apply(as, readFileSync(join(EXAMPLES, path), 'utf8'));
  }

  /** Applies all YAML files of an example's folder. */
  applyFolder(example: string): void {
    for (const name of readdirSync(join(EXAMPLES, example)).filter((file) => file.endsWith('.yaml')))
      this.applyExample(`${example}/${name}`);
  }

  /** Takes a file out of the configuration folder. */
  remove(name: string): void {
    rmSync(join(this.config, name));
  }

  /** Writes files that are no configuration (certificates for curl) and returns their folder. */
  scratch(files: Record<string, string>): string {
    const folder = join(this.#directory, 'scratch');
    mkdirSync(folder, { recursive: true });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 });
    return folder;
  }

  /** The gateways that serve, a pod each. */
  proxies(workload = 'istio-ingressgateway'): Instance['proxies'] {
    const { proxies } = JSON.parse(readFileSync(join(this.home, 'instance.json'), 'utf8')) as Instance;
    return proxies.filter((proxy) => proxy.workload === workload);
  }

  /** The port of this machine that leads to a port of a gateway's Service. */
  port(servicePort: number, workload?: string): number {
    const published = this.proxies(workload)[0]?.published;
    const found = published?.find((port) => port.servicePort === servicePort && !port.isNodePort);
    if (found === undefined) throw new Error(`the Service port ${servicePort} is not published`);
    return found.port;
  }

  /** Runs a command of limen against this instance. */
  limen(...args: string[]): Promise<Outcome> {
    return run(process.execPath, [PROGRAM, ...args], { LIMEN_HOME: this.home, NO_COLOR: '1' });
  }

  /**
   * Runs a line as a reader types it: `kubectl`, `limen` and `curl` lead to this instance, whose home is `~/.limen`; `examples/` is the
   * checkout's, other files are those of `terminal`. Nothing of the user's home is read or written.
   * @param input what the program reads
   */
  type(line: string, input = ''): Promise<Outcome> {
    const terminal = this.terminal;
    const env = { HOME: terminal, LIMEN_HOME: this.home, KUBECONFIG: join(this.home, 'kubeconfig'), NO_COLOR: '1' };
    return run('bash', ['-c', line], { ...env, PATH: `${join(terminal, 'bin')}:${process.env.PATH}` }, input, terminal);
  }

  /** The folder that `type` works in, and its home. */
  get terminal(): string {
    const terminal = join(this.#directory, 'terminal');
    if (existsSync(terminal)) return terminal;
    mkdirSync(join(terminal, 'bin'), { recursive: true });
    symlinkSync(EXAMPLES, join(terminal, 'examples'));
    symlinkSync(this.home, join(terminal, '.limen'));
    const limen = `exec '${process.execPath}' '${PROGRAM}' "$@"\n`;
    writeFileSync(join(terminal, 'bin/limen'), `#!/bin/sh\n${limen}`, { mode: 0o755 });
    // `npx limen …` as in a checkout, and nothing else of npx.
    writeFileSync(join(terminal, 'bin/npx'), `#!/bin/sh\n[ "$1" = limen ] || exit 127\nshift\n${limen}`, {
      mode: 0o755,
    });
    const connections = this.#connections().map((to) => `connect-to = "${to}"\n`);
    writeFileSync(join(terminal, '.curlrc'), `silent\nshow-error\nmax-time = 15\n${connections.join('')}`);
    return terminal;
  }

  /**
   * What kubectl prints to a line that starts behind the word `kubectl`.
   * @throws Error with what it said where it failed, or warned
   */
  async kubectl(line: string, input = ''): Promise<string> {
    const { code, stdout, stderr } = await this.type(`kubectl ${line}`, input);
    if (code !== 0 || stderr.includes('Warning:')) throw new Error(`kubectl ${line} → ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  /** The table that kubectl prints. */
  async kubectlTable(line: string): Promise<Row[]> {
    return parseTable(await this.kubectl(line));
  }

  /** `limen proxy-config …` of the default gateway, as a table. */
  async table(...args: string[]): Promise<Row[]> {
    return parseTable(await this.#proxyConfig(args));
  }

  /** `limen proxy-config … -o json` of the default gateway. */
  // biome-ignore lint/suspicious/noExplicitAny: documents of many shapes; the tests say which
  async json(...args: string[]): Promise<any> {
    return JSON.parse(await this.#proxyConfig([...args, '-o', 'json']));
  }

  async #proxyConfig([type = '', ...rest]: string[]): Promise<string> {
    const outcome = await this.limen(
      'proxy-config',
      type,
      'deploy/istio-ingressgateway',
      '-n',
      'istio-system',
      ...rest,
    );
    if (outcome.code !== 0) throw new Error(`limen proxy-config ${type} failed: ${outcome.stderr}`);
    return outcome.stdout;
  }

  /**
   * curl, with the arguments of the walkthrough. Ports 80 and 443 are led to where this instance serves them, so that URL, Host and server
   * name are the walkthrough's own.
   */
  async curl(...args: string[]): Promise<CurlOutcome> {
    const connections = this.#connections().flatMap((to) => ['--connect-to', to]);
    const outcome = await run('curl', ['-q', '-sS', '-i', '--max-time', '15', ...connections, ...args]);
    return { ...outcome, ...parseResponse(outcome.stdout) };
  }

  /** Where ports 80 and 443 are on this machine, in the form that curl takes it. */
  #connections(): string[] {
    return [80, 443].map((port) => `:${port}:127.0.0.1:${this.port(port)}`);
  }

  /** A TCP connection to a port of a gateway's Service. */
  dial(servicePort: number, workload?: string): Conversation {
    return new Conversation(connect(this.port(servicePort, workload), '127.0.0.1'));
  }

  /** `telnet localhost PORT`; where there is no telnet, a connection without it. */
  telnet(servicePort: number, workload?: string): Conversation {
    if (!isOnPath('telnet')) return this.dial(servicePort, workload);
    const { stdin, stdout } = spawn('telnet', ['localhost', String(this.port(servicePort, workload))], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return new Conversation(Duplex.from({ readable: stdout, writable: stdin }));
  }

  /** Lines of JSON on standard output: the access log. */
  accessLog(): Record<string, unknown>[] {
    return this.#stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** The first line of the access log that fits, waiting for it. */
  async logged(path: string): Promise<Record<string, unknown>> {
    let found: Record<string, unknown> | undefined;
    await this.until(`the access log has a line for ${path}`, () => {
      found = this.accessLog().find((line) => line.path === path);
      return found !== undefined;
    });
    return found as Record<string, unknown>;
  }

  /** Waits until `condition` holds; what it throws counts as "not yet" until the deadline. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    let reason = '';
    for (;;) {
      try {
        if (await condition()) return;
        reason = '';
      } catch (error) {
        if (this.#child.exitCode !== null) throw error;
        reason = ` (${(error as Error).message})`;
      }
      if (performance.now() > deadline)
        throw new Error(`not so after ${DEADLINE_MS} ms: ${what}${reason}\n${this.#lastWords}`);
      await delay(POLL_MS);
    }
  }

  /** Waits until a table has a row with these cells, and returns the whole table. */
  async untilRow(args: readonly string[], cells: Row): Promise<Row[]> {
    let rows: Row[] = [];
    await this.until(`proxy-config ${args.join(' ')} has a row ${JSON.stringify(cells)}`, async () => {
      rows = await this.table(...args);
      return rows.some((row) => Object.entries(cells).every(([heading, cell]) => row[heading] === cell));
    });
    return rows;
  }

  /** Waits until curl with these arguments gets this status, and returns that response. */
  async untilStatus(status: number, ...args: string[]): Promise<CurlOutcome> {
    let outcome: CurlOutcome | undefined;
    let last = '';
    await this.until(`curl ${args.join(' ')} → ${status}`, async () => {
      outcome = await this.curl(...args);
      last = `${outcome.statusLine} ${outcome.stderr}`;
      if (outcome.status !== status) throw new Error(`it was ${last.trim()}`);
      return true;
    });
    return outcome as CurlOutcome;
  }

  /** The ids of the processes that it has started, and of those that these have. */
  get processes(): number[] {
    return descendantsOf(this.#child.pid as number);
  }

  /** SIGKILL. Resolves when it and its data plane are gone; its folders stay, for the next one. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  /** SIGTERM. Returns the exit code and the processes that are left of it (none, it should be). */
  async stop(): Promise<{ code: number | null; left: number[] }> {
    const family = this.processes;
    this.#child.kill('SIGTERM');
    const giveUp = setTimeout(() => this.#child.kill('SIGKILL'), DEADLINE_MS);
    const code = await this.#ended;
    clearTimeout(giveUp);
    rmSync(this.#directory, { recursive: true, force: true });
    return { code, left: family.filter(isRunning) };
  }
}

/** What two sides say over TCP. */
export class Conversation {
  readonly #connection: Duplex;
  #received = '';
  #ended = false;

  constructor(connection: Duplex) {
    this.#connection = connection;
    connection.setEncoding('utf8');
    connection.on('data', (text: string) => {
      this.#received += text;
    });
    connection.on('close', () => {
      this.#ended = true;
    });
    connection.on('error', () => undefined); // 'close' follows
  }

  say(text: string): void {
    this.#connection.write(text);
  }

  /** Waits until what came so far fits, and returns it. */
  async hear(expected: RegExp): Promise<string> {
    const deadline = performance.now() + DEADLINE_MS;
    while (!expected.test(this.#received)) {
      if (this.#ended || performance.now() > deadline)
        throw new Error(
          `expected ${expected}, got ${JSON.stringify(this.#received)}${this.#ended ? ' and the end' : ''}`,
        );
      await delay(POLL_MS);
    }
    return this.#received;
  }

  hangUp(): void {
    this.#connection.destroy();
  }
}

/** A new folder for one test. */
export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'limen-walkthrough-'));
}

/** Runs a program to its end. `input`: what it reads; `cwd`: where it runs. */
export function run(
  program: string,
  args: readonly string[],
  env: Record<string, string> = {},
  input = '',
  cwd?: string,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env: { ...process.env, ...env }, ...(cwd === undefined ? {} : { cwd }) });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.stdin.on('error', () => undefined); // it may end without reading
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    child.stdin.end(input);
  });
}

/** Headings of two words; all others are one. */
const HEADING =
  /SERVICE FQDN|VHOST NAME|VIRTUAL SERVICE|OUTLIER CHECK|DESTINATION RULE|RESOURCE NAME|VALID CERT|SERIAL NUMBER|NOT AFTER|NOT BEFORE|\S+/g;

/** A table with a heading line whose columns start below their headings. */
export function parseTable(text: string): Row[] {
  const [heading = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const columns = [...heading.matchAll(HEADING)].map((match) => ({ name: match[0], start: match.index }));
  return lines.map((line) =>
    Object.fromEntries(
      columns.map(({ name, start }, index) => [name, line.slice(start, columns[index + 1]?.start).trim()]),
    ),
  );
}

function parseResponse(text: string): Pick<CurlOutcome, 'statusLine' | 'status' | 'headers' | 'body'> {
  let rest = text;
  let head = '';
  // Interim responses (100) come before the one that counts.
  do {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return { statusLine: '', status: 0, headers: {}, body: '' };
    head = rest.slice(0, end);
    rest = rest.slice(end + 4);
  } while (/^HTTP\/\S+ 1\d\d/.test(head));
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  // HTTP/2 has no reason phrase; curl prints the space before it all the same.
  return {
    statusLine: statusLine.trimEnd(),
    status: Number(statusLine.split(' ')[1]),
    headers: Object.fromEntries(headers),
    body: rest,
  };
}

/** All processes below one, by /proc; none where there is no /proc. */
function descendantsOf(pid: number): number[] {
  if (!existsSync('/proc')) return [];
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // gone meanwhile
    }
  }
  const below = (ancestor: number): number[] =>
    [...parents].filter(([, parent]) => parent === ancestor).flatMap(([child]) => [child, ...below(child)]);
  return below(pid);
}

function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}
