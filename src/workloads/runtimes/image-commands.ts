// Which command stands for which image: the flag `--image NAME=COMMAND`, and the `images` of limen.yaml. Pure.

import { isMap, LineCounter, parseDocument } from 'yaml';

/** A command of this machine that stands for an image. */
export interface ImageCommand {
  /** The image: with or without registry and tag. */
  name: string;
  /** A line for the shell, or program and arguments. */
  command: string | readonly string[];
  /** Where it runs. */
  directory: string;
  env?: Readonly<Record<string, string>>;
}

/**
 * One `--image`.
 *
 * @param directory where it was given
 * @throws Error that says what is expected
 */
export function parseImageFlag(text: string, directory: string): ImageCommand {
  const equals = text.indexOf('=');
  const name = text.slice(0, equals).trim();
  const command = text.slice(equals + 1).trim();
  if (equals < 1 || name === '' || command === '')
    throw new Error(`--image ${text}: expected NAME=COMMAND, for example --image 'example/shop=node shop.js'`);
  return { name, command, directory };
}

/**
 * The `images` of a limen.yaml:
 *
 *     images:
 *       example/shop: node shop.js
 *       example/cart: { command: [npm, start], directory: ../cart, env: { LOG: debug } }
 *
 * @param file its name, for messages
 * @param directory where it is: directories in it are relative to that
 * @throws Error that says what is wrong and where
 */
export function parseImagesFile(text: string, file: string, directory: string): ImageCommand[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, maxAliasCount: 0 } as never);
  const at = (offset: number | undefined) => {
    const { line, col } = lines.linePos(offset ?? 0);
    return `${file}:${line}:${col}`;
  };
  const [problem] = document.errors;
  if (problem !== undefined) throw new Error(`${at(problem.pos[0])}: ${problem.message}`);
  const root = document.contents;
  if (root === null) return [];
  if (!isMap(root)) throw new Error(`${at(root.range?.[0])}: expected a mapping with "images"`);
  const commands: ImageCommand[] = [];
  for (const { key, value } of root.items) {
    const name = String(key);
    const where = at((key as { range?: [number, number, number] }).range?.[0]);
    if (name !== 'images') throw new Error(`${where}: unknown field "${name}"; limen.yaml has "images"`);
    if (!isMap(value)) throw new Error(`${where}: images: expected a mapping of image names to commands`);
    for (const pair of value.items) {
      const image = String(pair.key);
      const place = at((pair.key as { range?: [number, number, number] }).range?.[0]);
      const given: unknown = (value.toJSON() as Record<string, unknown>)[image];
      commands.push(imageCommand(image, given, `${place}: images.${image}`, directory));
    }
  }
  return commands;
}

function imageCommand(name: string, given: unknown, where: string, directory: string): ImageCommand {
  if (typeof given === 'string' && given.trim() !== '') return { name, command: given, directory };
  const expected = 'expected a command, or { command, directory, env }';
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw new Error(`${where}: ${expected}`);
  const { command, directory: own = '.', env = {}, ...rest } = given as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw new Error(`${where}: unknown field "${unknown}"; ${expected}`);
  const isLine = typeof command === 'string' && command.trim() !== '';
  const isWords = Array.isArray(command) && command.length > 0 && command.every((word) => typeof word === 'string');
  if (!isLine && !isWords) throw new Error(`${where}.command: expected a line for the shell or a list of words`);
  if (typeof own !== 'string') throw new Error(`${where}.directory: expected a path`);
  if (typeof env !== 'object' || env === null || Array.isArray(env))
    throw new Error(`${where}.env: expected NAME: value`);
  return {
    name,
    command: command as string | string[],
    directory: own.startsWith('/') ? own : `${directory}/${own}`,
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)])),
  };
}
