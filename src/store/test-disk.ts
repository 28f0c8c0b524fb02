// For tests: a disk that can be full.

import { StoreWriteError } from './errors.ts';
import type { Edited } from './state.ts';
import type { Persistence } from './store.ts';

/** What a test sees and decides of the disk. */
export interface TestDisk {
  isFull: boolean;
  /** What was saved, save by save. */
  readonly saved: Edited[];
  /** How often it had no space. */
  refusals: number;
}

/** An empty disk, and what a store has of it. */
export function createDisk(): { disk: TestDisk; persistence: Persistence } {
  const disk: TestDisk = { isFull: false, saved: [], refusals: 0 };
  const persistence: Persistence = {
    load: () => ({ version: 0, objects: [], claims: [] }),
    save(edited) {
      if (disk.isFull) {
        disk.refusals++;
        throw new StoreWriteError('the disk is full', { isFull: true });
      }
      disk.saved.push(edited);
    },
    close() {},
  };
  return { disk, persistence };
}
