// Watches folders for changes, one watch each, and renews a watch whose folder was replaced.

import { type FSWatcher, watch } from 'node:fs';
import { statOf } from './walk.ts';

/** Told that something changed in a folder; `name` is the entry's, where the system says it. */
export type FolderListener = (folder: string, name: string | undefined) => void;

interface Watch {
  watcher: FSWatcher;
  /** A folder deleted and made again has another one: its old watch hears nothing any more. */
  inode: number;
}

/** A set of watched folders. Recursive watching is done with one watch a folder: the events then say exactly which folder to look at. */
export class FolderWatches {
  readonly #listener: FolderListener;
  readonly #onError: (folder: string, error: Error) => void;
  readonly #watches = new Map<string, Watch>();

  /** @param onError a folder cannot be watched (too many watches, a file system without events) */
  constructor(listener: FolderListener, onError: (folder: string, error: Error) => void) {
    this.#listener = listener;
    this.#onError = onError;
  }

  /** Watches a folder, unless it is watched already. */
  add(folder: string): void {
    const inode = statOf(folder)?.ino;
    const current = this.#watches.get(folder);
    if (current !== undefined && current.inode === inode) return;
    current?.watcher.close();
    this.#watches.delete(folder);
    if (inode === undefined) return;
    try {
      const watcher = watch(folder, (_event, name) => this.#listener(folder, name ?? undefined));
      watcher.on('error', (error) => {
        this.#drop(folder, watcher);
        // A deleted folder; its parent's watch tells.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') this.#onError(folder, error);
      });
      this.#watches.set(folder, { watcher, inode });
    } catch (error) {
      this.#onError(folder, error as Error);
    }
  }

  /** Stops watching all folders but these. */
  keepOnly(folders: ReadonlySet<string>): void {
    for (const [folder, { watcher }] of this.#watches) if (!folders.has(folder)) this.#drop(folder, watcher);
  }

  /** Stops watching. */
  close(): void {
    this.keepOnly(new Set());
  }

  #drop(folder: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watches.get(folder)?.watcher === watcher) this.#watches.delete(folder);
  }
}
