// What README.md tells people to do, done.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Limen } from './walkthroughs/limen.ts';
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
