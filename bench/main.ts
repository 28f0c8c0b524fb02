// `npm run bench [-- startup|throughput|scale|xds|api]`: what Limen costs, beside its peers in the same run. Prints tables; judges nothing.

import { cpus } from 'node:os';
import { benchApi } from './api.ts';
import { benchScale } from './scale.ts';
import { benchStartup } from './startup.ts';
import { benchThroughput } from './throughput.ts';
import { benchXds } from './xds.ts';

const benches = { startup: benchStartup, throughput: benchThroughput, scale: benchScale, xds: benchXds, api: benchApi };

const names = process.argv.slice(2);
const unknown = names.find((name) => !(name in benches));
if (unknown !== undefined) {
  console.error(`unknown benchmark ${unknown}; there are ${Object.keys(benches).join(', ')}`);
  process.exit(2);
}
console.log(`Node.js ${process.versions.node}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`);
for (const [name, bench] of Object.entries(benches)) if (names.length === 0 || names.includes(name)) await bench();
process.exit(0);
