// The store of a home: objects survive a restart.

import { join } from 'node:path';
import type { Logger } from 'pino';
import { applyFileObject } from '../../resources/managed-fields/file-objects.ts';
import { openOrSetAside } from '../../store/open.ts';
import type { Store } from '../../store/store.ts';

const FILE = 'limen.db';

/**
 * Opens the store of a home. A damaged file is kept beside it, said so, and a new one begun.
 * @throws StoreOpenError for the user: the file is in use, not permitted, or a newer Limen's
 */
export function openHomeStore(home: string, log: Logger): Store {
  const { store, setAside } = openOrSetAside({ path: join(home, FILE), merge: applyFileObject() });
  if (setAside !== undefined)
    log.error(
      { kept: setAside.path },
      `${setAside.cause.message}. It is kept under another name; Limen begins with a new one`,
    );
  return store;
}
