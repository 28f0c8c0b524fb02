// A process of its own that writes into a store, for the tests that kill it: node test-writer.ts FILE FIRST. It puts the ConfigMaps `w<n>` from FIRST
// on, several at once, and says `ok <n>` of each that was acknowledged and `failed <full or not> <n>` of each that was not.

import { writeSync } from 'node:fs';
import { StoreWriteError } from './errors.ts';
import { openStore } from './open.ts';

const [path, first] = process.argv.slice(2);
const store = openStore({ path: path as string });
let next = Number(first);
/** Enough that the file outgrows its journal, and SQLite has checkpoints to make. */
const padding = 'x'.repeat(2000);

async function write(): Promise<void> {
  for (;;) {
    const count = next++;
    const metadata = { name: `w${count}`, namespace: 'default' };
    const data = { count: String(count), padding };
    try {
      await store.transact((writer) => {
        if (count % 3 === 0)
          writer.delete({ group: '', kind: 'ConfigMap', namespace: 'default', name: `w${count - 100}` });
        writer.put({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...{ data } });
      });
      writeSync(1, `ok ${count}\n`);
    } catch (error) {
      if (!(error instanceof StoreWriteError)) throw error;
      writeSync(1, `failed ${error.isFull ? 'full' : 'not'} ${count}\n`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

await Promise.all(Array.from({ length: 4 }, write));
