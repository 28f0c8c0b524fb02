// Makes the certificates of an example: `npm run certificates -- examples/https` writes them to examples/https/secrets.

import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { EXAMPLES } from './certificates/examples.ts';

const folders = process.argv.slice(2);
const known = Object.keys(EXAMPLES)
  .map((name) => `examples/${name}`)
  .join(', ');
if (folders.length === 0) fail(`expected the folder of an example: ${known}`);

for (const folder of folders) {
  const make = EXAMPLES[basename(folder)];
  if (make === undefined) fail(`${folder} needs no certificates; these do: ${known}`);
  if (!existsSync(folder)) fail(`there is no folder ${folder}`);
  const secrets = join(folder, 'secrets');
  mkdirSync(secrets, { recursive: true, mode: 0o700 });
  chmodSync(secrets, 0o700);
  for (const [name, content] of Object.entries(await make())) {
    const path = join(secrets, name);
    // Written aside and moved, so that a running instance which watches the folder never reads half a file.
    const unfinished = join(secrets, `.${name}.tmp`);
    writeFileSync(unfinished, content, { mode: /\.(key|yaml)$/.test(name) ? 0o600 : 0o644 });
    renameSync(unfinished, path);
    console.log(path);
  }
}

function fail(message: string): never {
  console.error(`certificates: ${message}`);
  process.exit(1);
}
