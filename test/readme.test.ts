// What README.md tells people to do, done.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXAMPLES, Limen, temporaryDirectory } from './walkthroughs/limen.ts';
import { describeWith } from './walkthroughs/tools.ts';

const README = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');

/** The YAML block whose first line is `# <name>`. */
function yamlBlock(name: string): string {
  const block = [...README.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] as string);
  const found = block.find((text) => text.startsWith(`# ${name}\n`));
  if (found === undefined) throw new Error(`README.md has no YAML block that starts with "# ${name}"`);
  return found;
}

describe('the first screen of the README', () => {
  it('has the two commands, and package.json has what they call', () => {
    const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'));
    const firstScreen = README.split('\n').slice(0, 40).join('\n');
    expect(firstScreen).toContain('npm ci && npm start');
    expect(firstScreen).toContain('npm ci && npm test');
    expect(scripts.start).toContain('up -f examples/coolstore');
    expect(scripts.test).toBe('vitest run');
  });
});

describeWith(['curl', 'kubectl'], 'the terminals that the README shows', () => {
  /** What is typed, and what is shown below it. */
  const typed = [...README.matchAll(/```console\n([\s\S]*?)```/g)].flatMap(([, text = '']) =>
    text
      .split(/^\$ /m)
      .slice(1)
      .map((step) => ({ line: step.split('\n', 1)[0] as string, shown: step.slice(step.indexOf('\n') + 1) })),
  );
  let limen: Limen;

  beforeAll(async () => {
    limen = await Limen.up(temporaryDirectory(), ['-f', join(EXAMPLES, 'coolstore')], [15021, 80, 443, 31400, 15443]);
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
  });

  it('begin with the start, and come to kubectl', () => {
    expect(typed.map(({ line }) => line.replace(/^npx /, '').split(' ')[0])).toEqual([
      ...['npm', 'export', 'kubectl', 'kubectl', 'kubectl', 'curl', 'limen', 'limen'],
    ]);
  });

  it.each(typed)('$line', async ({ line, shown }) => {
    if (line === 'npm start') {
      const [banner = ''] = /^\nLimen .*?^Ready in \d+ ms$\n/ms.exec(limen.output) ?? [];
      expect(lasting(banner.replace(limen.home, '~/.limen'))).toBe(lasting(shown));
    } else if (line.startsWith('export ')) {
      expect(await limen.type(`${line} && kubectl config view -o jsonpath='{.contexts[*].name}'`)).toMatchObject({
        ...{ code: 0, stdout: 'limen' },
      });
    } else {
      // kubectl has made it; the gateway has it a moment later.
      await limen.until(`${line} shows what the README shows`, async () => {
        const outcome = await limen.type(line);
        expect({ ...outcome, stdout: lasting(outcome.stdout) }).toEqual({
          code: 0,
          stdout: lasting(shown),
          stderr: '',
        });
        return true;
      });
    }
  });

  const commands = [...README.matchAll(/^npx limen (?:pc|validate|bootstrap --grpc) .*$/gm)].map(([line]) => line);

  it('have commands beside them, which ask the running instance', () => {
    expect(commands.map((line) => line.split(' ')[2])).toEqual(['validate', 'pc', 'pc', 'pc', 'bootstrap']);
  });

  it.each(commands)('%s', async (line) => {
    // What the README calls config/ is a folder of one's own.
    const folder = 'mkdir -p config && cp examples/coolstore/*.yaml config';
    const shown = line.includes('>') ? ` && cat ${line.split('> ')[1]}` : '';
    expect(await limen.type(`${folder} && ${line}${shown}`)).toEqual({
      code: 0,
      stdout: expect.stringMatching(/\S/),
      // Which proxy it is, where the command does not say.
      stderr: expect.stringMatching(/^(\(\S+, the only gateway\)\n)?$/),
    });
  });
});

/** A capture without what is different each time, and without the space that columns take for it. */
function lasting(text: string): string {
  return text
    .replace(/127\.0\.0\.1(:\d+)?(?=[ /])/g, 'ADDRESS')
    .replace(/\b\d+\.\d+\.\d+$/gm, 'VERSION')
    .replace(/\bcurl\/[\d.]+/g, 'curl/VERSION')
    .replace(/-\w{10}-\w{5}\b/g, '-POD')
    .replace(/\b(\d+m)?\d+s\b/g, 'AGE')
    .replace(/\d+ ms/g, 'N ms')
    .replace(/ +/g, ' ');
}

describeWith(['curl'], 'one’s own service, as the README shows it', () => {
  const upstream = createServer((request, response) => response.end(`mine: ${request.headers.host}`));
  let limen: Limen;
  let port: number;

  beforeAll(async () => {
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    port = (upstream.address() as AddressInfo).port;
    limen = await Limen.start();
  });
  afterAll(async () => {
    expect(await limen?.stop()).toEqual({ code: 0, left: [] });
    upstream.closeAllConnections();
    await new Promise((resolve) => upstream.close(resolve));
  });

  it('answers through a ServiceEntry', async () => {
    limen.apply('my-service.yaml', yamlBlock('my-service.yaml').replace('targetPort: 3000', `targetPort: ${port}`));
    const answer = await limen.untilStatus(200, '-H', 'Host: my-service.local', 'http://127.0.0.1/');
    expect(answer.body).toBe('mine: my-service.local');
  });

  it('answers through a Service with an EndpointSlice', async () => {
    limen.apply(
      'my-service.yaml',
      `${yamlBlock('my-service.yaml')
        .split('---\n')
        .slice(0, 2)
        .join('---\n')
        .replace(
          'my-service.internal',
          'my-service',
        )}---\n${yamlBlock('service.yaml').replace('port: 3000', `port: ${port}`)}`,
    );
    await limen.untilRow(['endpoints'], { CLUSTER: 'outbound|80||my-service.default.svc.cluster.local' });
    const answer = await limen.untilStatus(200, '-H', 'Host: my-service.local', 'http://127.0.0.1/');
    expect(answer.body).toBe('mine: my-service.local');
  });
});
