// Keeps the store in step with files and folders of YAML. What a file says wrongly is reported and never costs what already serves.

import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { DocumentCache, type LoadedObject, loadSteps } from '../resources/load.ts';
import { describeKey, keyId, keyOf } from '../resources/object.ts';
import { describeProblem, type Problem } from '../resources/problem.ts';
import type { Store } from '../store/store.ts';
import { FolderWatches } from './folder-watches.ts';
import { describeConflict, displayName, findFiles, readText, signatureOf } from './read-files.ts';
import { isConfigurationFile, statOf } from './walk.ts';

export interface WatchOptions {
  log: Logger;
  /** Told of the problems of all files, each time they may have changed. */
  onProblems?: (problems: readonly Problem[]) => void;
  /** For the dates of certificates. */
  clock?: () => Date;
}

/** Files being watched. */
export interface FileSource {
  /** The problems of all files as they are now. */
  readonly problems: readonly Problem[];
  /** The objects of all files as they are now, with their places. */
  readonly objects: readonly LoadedObject[];
  /** Ends the watching. The objects stay in the store. */
  close(): Promise<void>;
}

/** How long after an event further ones are awaited: one editor's save, or one `git checkout` of a file, is several. */
const DEBOUNCE_MS = 15;
/**
 * A file that is suddenly gone or empty is mostly one being saved (`> file`, unlink and create): its objects go when
 * it is still so after this time.
 */
const GRACE_MS = 60;
/** How often folders are read whose changes the system does not tell. */
const POLL_MS = 1000;
/** How long files are parsed before the event loop gets its turn. */
const TURN_MS = 10;
/** When a round that failed (the disk is full) is tried again. */
const RETRY_MS = 1000;

/** What is known of one file. */
interface FileState {
  /** The name in messages: as the user would write it. */
  name: string;
  text: string | undefined;
  cache: DocumentCache;
  /** What the store holds of it. */
  objects: LoadedObject[];
  problems: Problem[];
  /** Size, time and inode when it was read. */
  signature: string;
}

/**
 * Loads files and folders into the store and follows their changes. Resolves when everything has been loaded once. Never rejects: a
 * path that does not exist is a problem like others, and is loaded when it appears.
 *
 * The rules when something is wrong: an object with an error is refused and its last good version stays; so do the objects that
 * a file with errors seems to have lost. A path given by the user that disappears keeps its objects until it is back; a file deleted inside
 * a folder takes its objects with it.
 *
 * What files of an earlier run contributed (`store` may be a kept one) goes, unless they are still among these.
 *
 * @param paths files, and folders of `*.yaml`, `*.yml` and `*.json`, read recursively
 */
export async function watchFiles(paths: readonly string[], store: Store, options: WatchOptions): Promise<FileSource> {
  const source = new FilesWatch(paths, store, options);
  await source.start();
  return source;
}

class FilesWatch implements FileSource {
  readonly #roots: readonly string[];
  readonly #store: Store;
  readonly #log: Logger;
  readonly #onProblems: (problems: readonly Problem[]) => void;
  readonly #clock: () => Date;
  readonly #watches: FolderWatches;
  readonly #files = new Map<string, FileState>();
  /** Problems of roots themselves, by root. */
  readonly #rootProblems = new Map<string, Problem>();
  /** What events named since the last round: files to read again, or everything. */
  #dirty = new Set<string>();
  #rescan = true;
  /** Files found gone or empty, and since when; believed when it lasts. */
  #suspects = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #round: Promise<void> = Promise.resolve();
  #closed = false;
  /** Why the last round failed. */
  #failure: string | undefined;

  constructor(paths: readonly string[], store: Store, options: WatchOptions) {
    this.#roots = [...new Set(paths.map((path) => resolve(path)))];
    this.#store = store;
    this.#log = options.log;
    this.#onProblems = options.onProblems ?? (() => undefined);
    this.#clock = options.clock ?? (() => new Date());
    this.#watches = new FolderWatches(
      (folder, name) => this.#changed(folder, name),
      (folder, error) => this.#pollInstead(folder, error),
    );
  }

  get problems(): readonly Problem[] {
    return [...this.#rootProblems.values(), ...[...this.#files.values()].flatMap((file) => file.problems)];
  }

  get objects(): readonly LoadedObject[] {
    return [...this.#files.values()].flatMap((file) => file.objects);
  }

  async start(): Promise<void> {
    // Before anything is read: objects of files that are given no more must not stand in the way of those that are.
    this.#retainFiles((path) => this.#roots.some((root) => isUnder(path, root)));
    this.#round = this.#run();
    await this.#round;
    // What was deleted meanwhile. A root that can't be read just now keeps what it had.
    this.#retainFiles(
      (path) => this.#files.has(path) || [...this.#rootProblems.keys()].some((root) => isUnder(path, root)),
    );
  }

  /** Files are the owners whose names are absolute paths. */
  #retainFiles(isThere: (path: string) => boolean): void {
    this.#store.retainOwners((owner) => !isAbsolute(owner) || isThere(owner));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#poll);
    this.#watches.close();
    await this.#round;
  }

  #changed(folder: string, name: string | undefined): void {
    const path = name === undefined ? folder : join(folder, name);
    // A known file needs no walk: ten thousand neighbours would make that slow. Whatever else (a folder, a link, a new file) does.
    if (this.#files.has(path)) this.#dirty.add(path);
    else if (name === undefined || this.#matters(folder, name)) this.#rescan = true;
    else return;
    this.#schedule(DEBOUNCE_MS);
  }

  /** Whether an entry of a watched folder can be part of the configuration. The folder above a root is watched for the root alone. */
  #matters(folder: string, name: string): boolean {
    const path = join(folder, name);
    if (this.#roots.some((root) => isUnder(root, path))) return true;
    const isInside = this.#roots.some((root) => isUnder(folder, root));
    if (!isInside) return this.#linkFolders.has(folder);
    return (
      isConfigurationFile(name) || name === '..data' || !name.includes('.') || statOf(path)?.isDirectory() === true
    );
  }

  /** Folders outside the roots into which links lead. */
  #linkFolders = new Set<string>();

  #schedule(delay: number): void {
    if (this.#closed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#round = this.#round.then(() => this.#run());
    }, delay);
  }

  /** One round: finds out which files changed, reads them, and changes the store once. Never rejects: what fails is tried again. */
  async #run(): Promise<void> {
    if (this.#closed) return;
    const suspects = this.#suspects;
    this.#suspects = new Map();
    const dirty = this.#dirty;
    this.#dirty = new Set();
    const all = this.#rescan;
    this.#rescan = false;
    try {
      const gone = new Set<string>();
      if (all) this.#findFiles(dirty);
      for (const path of suspects.keys()) dirty.add(path);
      const loaded = await this.#readAll([...dirty].sort(), suspects, gone);
      if (this.#closed) return;
      // What is known of the files changes when the store has changed: a full disk may refuse it.
      const notes: (() => void)[] = [];
      this.#store.batch(() => {
        for (const path of gone) notes.push(this.#remove(path));
        for (const [path, result] of loaded) notes.push(this.#apply(path, result));
      });
      for (const note of notes) note();
      if (loaded.size > 0 || gone.size > 0 || all) this.#onProblems(this.problems);
      this.#succeeded();
    } catch (error) {
      this.#failed(error, dirty, all);
    }
    if (this.#suspects.size > 0) this.#schedule(GRACE_MS + 1);
  }

  /** Has the round done once more later, with what it was about. */
  #failed(error: unknown, dirty: ReadonlySet<string>, all: boolean): void {
    for (const path of dirty) this.#dirty.add(path);
    this.#rescan ||= all;
    const message = error instanceof Error ? error.message : String(error);
    if (message !== this.#failure)
      this.#log.error(
        { err: error },
        'cannot take over the configuration files; what serves stays, and it is tried again',
      );
    this.#failure = message;
    this.#schedule(RETRY_MS);
  }

  #succeeded(): void {
    if (this.#failure !== undefined) this.#log.info('the configuration files are taken over again');
    this.#failure = undefined;
  }

  /** Walks all roots; adds to `dirty` the files that may have changed or are gone. */
  #findFiles(dirty: Set<string>): void {
    const folders = new Set<string>();
    const found = new Set<string>();
    for (const root of this.#roots) {
      const { files, folders: inner, problem } = findFiles(root, (folder) => this.#watches.add(folder));
      for (const folder of inner) folders.add(folder);
      for (const file of files ?? []) found.add(file);
      if (problem === undefined) this.#rootFound(root);
      else {
        // The files of a root that cannot be read now count as found: they keep what they had.
        for (const path of this.#files.keys()) if (isUnder(path, root)) found.add(path);
        this.#rootProblem(root, problem);
      }
    }
    this.#watches.keepOnly(folders);
    this.#linkFolders = new Set(
      [...folders].filter((folder) => !this.#roots.some((root) => root === folder || dirname(root) === folder)),
    );
    for (const path of found) if (this.#files.get(path)?.signature !== signatureOf(path)) dirty.add(path);
    for (const path of this.#files.keys()) if (!found.has(path)) dirty.add(path);
  }

  #rootProblem(root: string, problem: Problem): void {
    if (this.#rootProblems.get(root)?.message === problem.message) return;
    this.#rootProblems.set(root, problem);
    this.#logProblem(
      problem,
      [...this.#files.keys()].some((path) => isUnder(path, root)),
    );
  }

  #rootFound(root: string): void {
    if (this.#rootProblems.delete(root)) this.#log.info(`${displayName(root)}: is there again`);
  }

  /** Reads the files that changed. Files that are gone or empty are suspects first, and `gone` when that lasts. */
  async #readAll(
    paths: readonly string[],
    suspects: ReadonlyMap<string, number>,
    gone: Set<string>,
  ): Promise<Map<string, FileResult>> {
    const results = new Map<string, FileResult>();
    let turnEnds = performance.now() + TURN_MS;
    const now = this.#clock();
    for (const path of paths) {
      const state = this.#files.get(path);
      const signature = signatureOf(path);
      const read = readText(path);
      if (read === undefined || (read.text?.trim() === '' && (state?.objects.length ?? 0) > 0)) {
        if (read === undefined && this.#rootOf(path) === undefined) continue; // its root is gone: everything stays
        const since = suspects.get(path) ?? performance.now();
        if (performance.now() - since >= GRACE_MS) {
          if (read === undefined) gone.add(path);
          else results.set(path, { text: '', objects: [], problems: [], cache: new DocumentCache(), signature });
        } else if (state !== undefined) {
          this.#suspects.set(path, since);
        }
        continue;
      }
      if (read.text !== undefined && read.text === state?.text) {
        state.signature = signature;
        continue;
      }
      const name = displayName(path);
      if (read.text === undefined) {
        results.set(path, {
          text: undefined,
          objects: [],
          problems: [read.problem(name)],
          cache: new DocumentCache(),
          signature,
        });
        continue;
      }
      const cache = state?.cache ?? new DocumentCache();
      const steps = loadSteps(read.text, name, { cache, now });
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done) {
          results.set(path, { text: read.text, ...step.value, cache, signature });
          break;
        }
        if (performance.now() > turnEnds) {
          await new Promise((done) => setImmediate(done));
          turnEnds = performance.now() + TURN_MS;
        }
      }
    }
    return results;
  }

  /** The root a file belongs to, when that root is there. */
  #rootOf(path: string): string | undefined {
    return this.#roots.find((root) => !this.#rootProblems.has(root) && path !== root && isUnder(path, root));
  }

  /** Inside a change of the store. Returns what is to be done when that has succeeded. */
  #apply(path: string, result: FileResult): () => void {
    const before = this.#files.get(path);
    const hasErrors = result.problems.some(({ severity }) => severity === 'error');
    const hadErrors = before?.problems.some(({ severity }) => severity === 'error') ?? false;
    const present = new Set(result.objects.map(({ object }) => keyId(keyOf(object))));
    // Nothing is lost by a mistake: what a file with errors no longer seems to hold stays as it was.
    const kept = hasErrors ? (before?.objects ?? []).filter(({ object }) => !present.has(keyId(keyOf(object)))) : [];
    const objects = [...result.objects, ...kept];
    const conflicts = this.#store.apply(
      path,
      objects.map(({ object }) => object),
    );
    const problems = [...result.problems, ...conflicts.map((conflict) => describeConflict(conflict, objects))];
    const { text, cache, signature } = result;
    return () => {
      this.#files.set(path, { name: displayName(path), text, cache, signature, objects, problems });
      const keptNames = new Set(kept.map(({ object }) => describeKey(keyOf(object))));
      for (const problem of problems)
        this.#logProblem(problem, problem.object === undefined ? kept.length > 0 : keptNames.has(problem.object));
      if (hadErrors && !hasErrors)
        this.#log.info({ objects: objects.length }, `${displayName(path)}: is in order again`);
      else this.#log.debug({ objects: objects.length, errors: problems.length }, `${displayName(path)}: loaded`);
    };
  }

  /** Inside a change of the store. Returns what is to be done when that has succeeded. */
  #remove(path: string): () => void {
    const state = this.#files.get(path);
    if (state === undefined) return () => undefined;
    this.#store.apply(path, []);
    return () => {
      this.#files.delete(path);
      this.#log.info({ objects: state.objects.length }, `${state.name}: deleted, its objects with it`);
    };
  }

  #logProblem(problem: Problem, lastGoodServes: boolean): void {
    const text = describeProblem(problem) + (problem.hint === undefined ? '' : ` (${problem.hint})`);
    if (problem.severity === 'warning') this.#log.warn(text);
    else this.#log.error(`${text}${lastGoodServes ? '; the last good version stays' : ''}`);
  }

  #pollInstead(folder: string, error: Error): void {
    if (this.#closed || this.#poll !== undefined) return;
    this.#log.warn(
      { err: error },
      `cannot watch ${displayName(folder)}; looking for changes every ${POLL_MS} ms instead`,
    );
    this.#poll = setInterval(() => {
      this.#rescan = true;
      this.#schedule(0);
    }, POLL_MS);
    this.#poll.unref();
  }
}

interface FileResult {
  text: string | undefined;
  objects: LoadedObject[];
  problems: Problem[];
  cache: DocumentCache;
  signature: string;
}

function isUnder(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith('/') ? root : `${root}/`);
}
