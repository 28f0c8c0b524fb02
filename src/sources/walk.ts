// Which configuration files there are under a path, and which folders must be watched to hear of changes to them.

import { readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** What a path holds. All paths are absolute when the path is. */
export interface Tree {
  /** The configuration files, sorted by path; undefined when the path itself does not exist. */
  files: string[] | undefined;
  /** Folders in which a change can matter: they exist. */
  folders: string[];
}

/** Configuration files have a known extension; hidden files and editors' backups (`.x.swp`, `x.yaml~`, `#x.yaml#`) are none; nor is limen.yaml, which says what runs images. */
export function isConfigurationFile(name: string): boolean {
  return name !== 'limen.yaml' && !name.startsWith('.') && /\.(?:ya?ml|json)$/i.test(name);
}

/**
 * Walks a path given by the user: a file, whatever its name, or a folder with all folders in it. Symbolic links are followed, hidden folders are not
 * entered; so the files of a mounted ConfigMap, which are links through `..data`, are seen once.
 *
 * @param onFolder called with each folder before it is read, so that no change between reading and watching is lost
 */
export function walk(root: string, onFolder: (folder: string) => void = () => undefined): Tree {
  const folders = new Set<string>();
  const enter = (folder: string) => {
    if (folders.has(folder)) return;
    folders.add(folder);
    onFolder(folder);
  };
  enter(nearestFolder(dirname(root)));
  const stats = statOf(root);
  if (stats === undefined) return { files: undefined, folders: [...folders] };
  const files: string[] = [];
  const entered = new Set<string>();
  const visit = (path: string, about: Stats) => {
    if (about.isFile()) files.push(path);
    if (!about.isDirectory()) return;
    const real = realpathSync(path);
    if (entered.has(real)) return; // a link to a folder above
    entered.add(real);
    enter(path);
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const inner = join(path, entry.name);
      if (entry.name.startsWith('.')) continue;
      if (entry.isFile()) {
        if (isConfigurationFile(entry.name)) files.push(inner);
        continue;
      }
      const target = statOf(inner);
      if (target === undefined || (target.isFile() && !isConfigurationFile(entry.name))) continue;
      if (entry.isSymbolicLink()) enter(dirname(realpathSync(inner)));
      visit(inner, target);
    }
  };
  try {
    if (stats.isFile()) enter(dirname(realpathSync(root)));
    visit(root, stats);
  } catch (error) {
    // A folder deleted while it is being read; the event of its deletion leads to another walk. One that may not be read is reported.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return { files: files.sort(), folders: [...folders] };
}

/** The stats of what a path leads to; undefined when there is nothing, or no way there. */
export function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** The folder, or the nearest one above that exists: the place where a change would bring it back. */
function nearestFolder(folder: string): string {
  while (statOf(folder)?.isDirectory() !== true && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
