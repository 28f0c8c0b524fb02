#!/usr/bin/env node
// The `limen` command: the built package where there is one to run, the TypeScript source in a checkout.

import { existsSync } from 'node:fs';
import module from 'node:module'; // not by name: Node.js 20 has no enableCompileCache, and is to get as far as the message below

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(
    `limen needs Node.js 24.12 or newer, and this is ${process.versions.node}. In a checkout, \`npm ci\` brings a fitting one: run \`npx limen …\` there.`,
  );
  process.exit(1);
}
module.enableCompileCache(); // start-up is mostly loading modules; this keeps their compiled form between runs
const source = new URL('../src/cli/main.ts', import.meta.url);
await import(existsSync(source) ? source.href : new URL('../dist/cli/main.js', import.meta.url).href);
