// Reads a schema out of the type declaration (.d.ts) of a model of the kubernetes-models packages: names, descriptions, types.
// The declarations are generated too, and use a small part of TypeScript; anything else throws.

import type { Schema } from '../../src/resources/openapi/schema.ts';

/** A declared type. */
export interface Declaration {
  schema: Schema;
  /** Types whose fields it has too. */
  bases: string[];
  /** The modules that type names are imported from. */
  imports: Map<string, string>;
}

type Token = { kind: 'doc' | 'text' | 'word' | 'sign'; text: string };

/**
 * Reads `export interface I<name>` or `export type I<name>`. References stand in the schema as `$ref` with the bare type name.
 *
 * @param source the content of the .d.ts
 * @param name the model's name
 */
export function readDeclaration(source: string, name: string): Declaration {
  const imports = new Map<string, string>();
  for (const match of source.matchAll(/^import \{([^}]*)\} from "([^"]*)";/gm))
    for (const type of match[1]!.split(',')) imports.set(type.trim(), match[2]!);
  const start = new RegExp(
    `((?:/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/\\n)?)export (interface|type) I${name}(?: extends ([\\w, ]+))? (=)?`,
  ).exec(source);
  if (start === null) throw new Error(`no declaration of I${name}`);
  const reader = new Reader(tokens(source.slice(start.index + start[0].length)));
  const schema = reader.type();
  const bases = (start[3] ?? '').split(',').map((type) => type.trim());
  return {
    schema: withDescription(schema, start[1]!),
    bases: bases.filter((type) => type !== '' && type !== 'TypeMeta'),
    imports,
  };
}

function* tokens(source: string): Generator<Token> {
  const pattern = /\/\*\*[\s\S]*?\*\/|"(?:[^"\\]|\\.)*"|[\w$.]+|[^\s]/g;
  for (const [text] of source.matchAll(pattern)) {
    const kind = text.startsWith('/**') ? 'doc' : text.startsWith('"') ? 'text' : /^[\w$]/.test(text) ? 'word' : 'sign';
    yield { kind, text };
  }
}

class Reader {
  readonly #tokens: Iterator<Token>;
  #next: Token | undefined;

  constructor(all: Iterator<Token>) {
    this.#tokens = all;
    this.#advance();
  }

  type(): Schema {
    const choices = [this.#intersection()];
    while (this.#takeIf('|')) choices.push(this.#intersection());
    if (choices.length === 1) return choices[0]!;
    if (choices.every((choice) => choice.enum !== undefined)) {
      const type = choices[0]!.type;
      return { ...(type === undefined ? {} : { type }), enum: choices.flatMap((choice) => choice.enum!) };
    }
    const types = new Set(choices.map((choice) => choice.type));
    if (types.size === 2 && types.has('string') && types.has('number')) return { 'x-kubernetes-int-or-string': true };
    throw new Error(`a union of ${JSON.stringify(choices)}`);
  }

  /** `{…} & (…)`: what stands after the `&` says which fields exclude each other. The validator has that as oneOf. */
  #intersection(): Schema {
    const schema = this.#single();
    if (this.#takeIf('&')) this.#skip();
    return schema;
  }

  #single(): Schema {
    const token = this.#take();
    if (token.kind === 'text') return { type: 'string', enum: [JSON.parse(token.text)] };
    if (token.text === '{') return this.#members();
    if (token.kind !== 'word') throw new Error(`${token.text} is not the start of a type`);
    if (/^\d/.test(token.text)) return { type: 'number', enum: [Number(token.text)] };
    switch (token.text) {
      case 'string':
      case 'number':
      case 'boolean':
        return { type: token.text };
      case 'any':
      case 'unknown':
        return { 'x-kubernetes-preserve-unknown-fields': true };
      case 'Array': {
        this.#expect('<');
        const items = this.type();
        this.#expect('>');
        return { type: 'array', items };
      }
      default:
        return { $ref: token.text };
    }
  }

  #members(): Schema {
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    let values: Schema | undefined;
    while (!this.#takeIf('}')) {
      const doc = this.#next?.kind === 'doc' ? this.#take().text : '';
      const key = this.#take();
      if (key.text === '[') {
        for (const sign of ['key', ':', 'string', ']', ':']) this.#expect(sign);
        values = this.type();
      } else {
        const name = key.kind === 'text' ? (JSON.parse(key.text) as string) : key.text;
        if (!this.#takeIf('?')) required.push(name);
        this.#expect(':');
        properties[name] = withDescription(this.type(), doc);
      }
      this.#expect(';');
    }
    return {
      type: 'object',
      ...(required.length === 0 ? {} : { required }),
      ...(Object.keys(properties).length === 0 ? {} : { properties }),
      ...(values === undefined ? {} : { additionalProperties: values }),
    };
  }

  /** Skips an operand of `&` with all that is nested in it. */
  #skip(): void {
    let depth = 0;
    while (this.#next !== undefined) {
      const { text } = this.#next;
      if (depth === 0 && (text === ';' || text === '>')) return;
      if (/^[({<[]$/.test(text)) depth++;
      if (/^[)}>\]]$/.test(text)) depth--;
      this.#advance();
    }
  }

  #take(): Token {
    const token = this.#next;
    if (token === undefined) throw new Error('the declaration ends too early');
    this.#advance();
    return token;
  }

  #takeIf(text: string): boolean {
    if (this.#next?.text !== text || this.#next.kind === 'text') return false;
    this.#advance();
    return true;
  }

  #expect(text: string): void {
    const token = this.#take();
    if (token.text !== text) throw new Error(`expected ${text}, found ${token.text}`);
  }

  #advance(): void {
    this.#next = this.#tokens.next().value as Token | undefined;
  }
}

function withDescription(schema: Schema, doc: string): Schema {
  if (doc === '') return schema;
  const description = doc
    .trim()
    .slice('/**'.length, -'*/'.length)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim()
    .replaceAll(/\\([*@/])/g, '$1');
  return { description, ...schema };
}
