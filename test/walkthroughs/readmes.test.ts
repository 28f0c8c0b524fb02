// The commands in the examples' READMEs, each run as written, show what the README says.

import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { EXAMPLES, Limen, PROGRAM, ROOT, run, temporaryDirectory } from './limen.ts';
import { describeWith } from './tools.ts';

const ITEMS = /"name":"Elinor Glasses".*exit 0$/s;
const HANDSHAKE_FAILED = /^curl: \(35\).*exit 35$/s;
const NOT_FOUND = /^HTTP\/1\.1 404 Not Found\r\n.*server: istio-envoy.*exit 0$/s;

/** What the commands of each README print, in order, those that only have to succeed (`MUST_SUCCEED`) apart. */
const EXPECTED: Record<string, RegExp[]> = {
  coolstore: [
    ITEMS,
    NOT_FOUND,
    /gateway\.networking\.istio\.io\/coolstore-gateway .*pod\/webapp-\w{10}-\w{5} +1\/1 +Running/s,
    /8080 +ALL +Route: http\.8080/,
    /webapp\.istioinaction\.io:80 .* webapp-vs-from-gw\.istioinaction/,
    /webapp\.istioinaction\.svc\.cluster\.local +80 +- +outbound +EDS/,
    /:8080 +HEALTHY +OK +outbound\|80\|\|webapp\.istioinaction\.svc\.cluster\.local/,
  ],
  'coolstore-https': [
    ITEMS,
    /kubernetes:\/\/webapp-credential +Cert Chain +ACTIVE +true /,
    HANDSHAKE_FAILED,
    /^HTTP\/1\.1 301 Moved Permanently\r\nlocation: https:\/\/webapp\.istioinaction\.io\/api\/catalog\r\n/,
    /alert certificate required/,
    ITEMS,
    /^HTTP\/2 200 \r\n.*Red Dragon Watch/s,
    ITEMS,
    /SNI: webapp\.istioinaction\.io.*SNI: catalog\.istioinaction\.io/s,
  ],
  httpbin: [/"X-Request-Id": "[0-9a-f-]{36}"/, NOT_FOUND, /"numRetries": 10/],
  https: [
    /^testexit 0$/,
    /^testexit 0$/,
    HANDSHAKE_FAILED,
    /^HTTP\/1\.1 301 Moved Permanently\r\nlocation: https:\/\/test\.io\/api\/test\r\n/,
    /8443 +SNI: test\.io +Route: https\.443\.https\.test-gateway\.default/,
    /https\.443\.https\.test-gateway\.default +test\.io:443 +test\.io +\/\* +test-gw\.default/,
  ],
  'tcp-echo': [
    /Welcome, you are connected to node limen\.\n.*hello there\n/s,
    /31400 +ALL +Cluster: outbound\|2701\|\|tcp-echo-service\.istioinaction\.svc\.cluster\.local/,
  ],
  'user-gateway': [
    /✔ Installation complete\n\n {2}my-user-gateway\.istioinaction\n.* Service port 30007 \(tcp\)\n/,
    /istioinaction +installed-state-my-user-gateway-install /,
    /deployment\.apps\/my-user-gateway +1\/1.*service\/my-user-gateway +LoadBalancer.*pod\/my-user-gateway-\S+ +1\/1 +Running/s,
    /31400 +ALL +Cluster: outbound\|2701\|\|tcp-echo-service\.istioinaction\.svc\.cluster\.local/,
    /31400 +ALL +Cluster: outbound\|2701\|\|tcp-echo-service\.istioinaction\.svc\.cluster\.local/,
    /Deployment\/my-user-gateway\.istioinaction\.\n✔ Uninstall complete/,
  ],
  bookinfo: [/<title>Simple Bookstore App<\/title>.*William Shakespeare/s, /8080 +ALL +Route: http\.8080/],
};

const MUST_SUCCEED = /^(npm run|openssl|kubectl (apply|create|wait)) /;

/** Where the READMEs' ports lead to. */
const SERVICE_PORTS: Record<string, number> = { 8080: 80, 8443: 443, 31400: 31400 };

describeWith(['curl', 'kubectl', 'openssl'], 'the READMEs of the examples', () => {
  it('are those tested here', () => {
    const named = [...readFileSync(join(EXAMPLES, 'README.md'), 'utf8').matchAll(/\]\((\S+)\/README\.md\)/g)];
    expect(named.map((match) => match[1]).sort()).toEqual(Object.keys(EXPECTED).sort());
  });

  const running: Limen[] = [];
  const directories: string[] = [];
  afterAll(async () => {
    for (const limen of running) expect(await limen.stop()).toEqual({ code: 0, left: [] });
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  });

  it.each(Object.keys(EXPECTED))('%s: every command does what it says', { timeout: 120_000 }, async (example) => {
    const text = readFileSync(join(EXAMPLES, example, 'README.md'), 'utf8');
    const commands = [...text.matchAll(/```sh\n(.*?)```/gs)].flatMap((match) =>
      (match[1] as string).trim().split('\n'),
    );
    const directory = temporaryDirectory();
    directories.push(directory);
    cpSync(EXAMPLES, join(directory, 'examples'), {
      recursive: true,
      filter: (path) => !path.includes(join(EXAMPLES, example, 'secrets')),
    });
    // The reader's home, where Limen's is.
    mkdirSync(join(directory, 'reader'));
    symlinkSync(join(directory, 'home'), join(directory, 'reader/.limen'));
    const expected = [...(EXPECTED[example] as RegExp[])];
    const exports: string[] = [];
    let limen: Limen | undefined;

    for (const command of commands) {
      const line = adapt(command, directory, limen);
      if (command.startsWith('npx limen up ')) {
        const servicePorts = [...command.matchAll(/--publish \d+:(\d+)/g)].map((match) => Number(match[1]));
        const args = line.replace(/^.*? up/, '').replace(/ --publish \S+/g, '');
        limen = await Limen.up(directory, args.match(/\S+/g) ?? [], servicePorts);
        running.push(limen);
      } else if (command.startsWith('export ')) {
        exports.push(`${line} && `);
      } else if (MUST_SUCCEED.test(command)) {
        expect(await shell(`${exports.join('')}${line}`, directory)).toMatch(/exit 0$/);
      } else if (!command.startsWith('telnet ')) {
        const wanted = expected.shift();
        expect(wanted, `something is expected of ${command}`).toBeDefined();
        await limen?.until(`${command} shows ${wanted}`, async () => {
          const shown = await shell(`${exports.join('')}${line}`, directory);
          if (!(wanted as RegExp).test(shown)) throw new Error(`it was ${JSON.stringify(shown.slice(0, 500))}`);
          return true;
        });
      }
    }
    expect(expected).toEqual([]);
  });
});

/** The command for this test: this checkout's programs, a folder of its own for /tmp, the ports that were free. */
function adapt(command: string, directory: string, limen: Limen | undefined): string {
  const ports =
    limen === undefined || command.includes(' proxy-config ')
      ? command
      : command.replace(/\b(?:8080|8443|31400)\b/g, (port) => String(limen.port(SERVICE_PORTS[port] as number)));
  // The README's own /tmp first: a checkout may itself be below /tmp, or below a folder named 8080.
  return ports
    .replaceAll('/tmp/', `${directory}/`)
    .replace('npx limen', () => `'${process.execPath}' '${PROGRAM}'`)
    .replace('npm run certificates --', () => `'${process.execPath}' '${join(ROOT, 'scripts/certificates.ts')}'`)
    .replace(/^curl /, 'curl -q -sS ');
}

/** Standard output and error of a shell command, and its exit code at the end. */
async function shell(command: string, directory: string): Promise<string> {
  const env = { HOME: join(directory, 'reader'), NO_COLOR: '1' };
  const outcome = await run('bash', ['-c', `unset LIMEN_HOME KUBECONFIG; cd '${directory}' && ${command}`], env);
  return `${outcome.stdout}${outcome.stderr}exit ${outcome.code}`;
}
