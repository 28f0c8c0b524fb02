// The commands that stand for images: `--image` and the limen.yaml of the folder that `limen up` was started in.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type ImageCommand, parseImageFlag, parseImagesFile } from '../../workloads/runtimes/image-commands.ts';

/** The file's name. */
const IMAGES_FILE = 'limen.yaml';

/**
 * The commands as they are when asked: the file is read anew then. Flags count before the file.
 *
 * @param flags of `--image`
 * @param directory where `limen up` was started
 * @throws Error for a flag or a file that is wrong; a file that becomes wrong later is logged, and what it said before counts
 */
export function imageCommands(flags: readonly string[], directory: string, log: Logger): () => ImageCommand[] {
  const given = flags.map((flag) => parseImageFlag(flag, directory));
  let text: string | undefined = read();
  let last = text === undefined ? [] : parseImagesFile(text, IMAGES_FILE, directory);
  return () => {
    const now = read();
    if (now !== text) {
      text = now;
      try {
        last = now === undefined ? [] : parseImagesFile(now, IMAGES_FILE, directory);
      } catch (error) {
        log.error(`${(error as Error).message}; what it said before counts`);
      }
    }
    return [...last, ...given];
  };

  function read(): string | undefined {
    try {
      return readFileSync(join(directory, IMAGES_FILE), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new Error(`${IMAGES_FILE} cannot be read: ${(error as Error).message}`);
    }
  }
}
