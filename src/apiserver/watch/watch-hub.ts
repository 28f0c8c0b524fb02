// Tells watches of changes: by kind, so that a change costs only those who watch its kind, and each event is written once.

import { groupOf, kindId, type ResourceObject } from '../../resources/object.ts';
import type { Change, Store } from '../../store/store.ts';
import type { Selection } from '../lists/selection.ts';
import { eventOf, type WatchEvent, type WatchForm, writeEvent } from './watch-event.ts';

/** Somebody who watches. */
export interface Watcher {
  readonly selection: Selection;
  readonly form: WatchForm;
  /** The resourceVersion up to which it was told. */
  told: number;
  /** Takes the line of an event. */
  send(line: string): void;
  /** Time for a bookmark. */
  bookmark(): void;
}

/** How often watches that ask for bookmarks get one: kube-apiserver's minute. */
const BOOKMARK_MS = 60_000;

/** All watches that are up to date. */
export class WatchHub {
  readonly #watchers = new Map<string, Set<Watcher>>();
  readonly #store: Store;
  readonly #clock: () => Date;
  readonly #unsubscribe: () => void;
  readonly #bookmarks: NodeJS.Timeout;

  constructor(store: Store, clock: () => Date) {
    this.#store = store;
    this.#clock = clock;
    this.#unsubscribe = store.subscribe((_, changes) => this.#tell(changes));
    this.#bookmarks = setInterval(() => this.#bookmark(), BOOKMARK_MS);
    this.#bookmarks.unref();
  }

  /** Tells a watcher of what happens from now on. */
  add(watcher: Watcher): void {
    const id = watcher.selection.resource.kindId;
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers.add(watcher));
  }

  delete(watcher: Watcher): void {
    const id = watcher.selection.resource.kindId;
    const watchers = this.#watchers.get(id);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#watchers.delete(id);
  }

  /** The newest version that all changes up to are told. */
  get resourceVersion(): number {
    return this.#store.snapshot.resourceVersion;
  }

  close(): void {
    clearInterval(this.#bookmarks);
    this.#unsubscribe();
    this.#watchers.clear();
  }

  #tell(changes: readonly Change[]): void {
    if (this.#watchers.size === 0) return;
    for (const change of changes) {
      const watchers = this.#watchers.get(kindIdOf(change.object));
      if (watchers === undefined) continue;
      const version = versionOf(change);
      const lines = new EventLines(this.#clock());
      for (const watcher of [...watchers]) {
        if (version <= watcher.told) continue;
        watcher.told = version;
        const event = eventOf(change, watcher.selection);
        if (event !== undefined) watcher.send(lines.of(event, watcher.form));
      }
    }
  }

  #bookmark(): void {
    for (const watchers of this.#watchers.values()) for (const watcher of [...watchers]) watcher.bookmark();
  }
}

/** The lines of one change, each form written once. */
class EventLines {
  readonly #now: Date;
  readonly #lines = new Map<string, string>();

  constructor(now: Date) {
    this.#now = now;
  }

  of(event: WatchEvent, form: WatchForm): string {
    const key = `${event.type} ${form.as} ${form.include} ${form.resource.apiVersion}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = writeEvent(event, form, this.#now);
      this.#lines.set(key, line);
    }
    return line;
  }
}

/** The resourceVersion of a change. */
export function versionOf({ object }: Change): number {
  return Number(object.metadata.resourceVersion);
}

/** The kind id of an object. */
export function kindIdOf({ apiVersion, kind }: ResourceObject): string {
  return kindId(groupOf(apiVersion), kind);
}
