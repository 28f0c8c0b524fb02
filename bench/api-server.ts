// An API server in a process of its own, over a store in a file, for `bench/api.ts`: no control plane, no proxy. Its first line of output says
// how it is reached.

import { join } from 'node:path';
import { pino } from 'pino';
import { createPki } from '../src/apiserver/pki/pki.ts';
import { startApiServer } from '../src/apiserver/server.ts';
import { openStore } from '../src/store/open.ts';

const [folder = '.'] = process.argv.slice(2);
const pki = await createPki(new Date());
const machine = {
  ...{ hostName: 'bench', cpus: 1, memoryBytes: 2 ** 30, platform: 'linux', architecture: 'x64' },
  ...{ osImage: 'bench', kernelVersion: '', version: '0.0.0' },
};
const store = openStore({ path: join(folder, 'store.db') });
const server = await startApiServer({ store, pki, port: 0, log: pino({ level: 'silent' }), machine });
console.log(JSON.stringify({ port: server.port, ca: pki.ca, token: pki.token }));
process.on('SIGTERM', () => {
  store.close();
  process.exit(0);
});
