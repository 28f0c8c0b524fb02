// What `ps` calls this process: `ps` alone shows the short name, `ps -f` the long one.

import { writeFileSync } from 'node:fs';

/**
 * Names this process.
 *
 * @param command one or two words, 15 bytes at most: `limen proxy`
 * @param title for `ps -f`
 */
export function nameProcess(command: string, title: string): void {
  process.title = title;
  try {
    // Linux takes the first 15 bytes of the title for the short name: `limen proxy rou`.
    writeFileSync('/proc/self/comm', command);
  } catch {
    // a system without /proc
  }
}
