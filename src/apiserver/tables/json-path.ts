// JSONPath as printer columns of CustomResourceDefinitions use it: fields, indices, wildcards and filters by equality.
// https://kubernetes.io/docs/reference/kubectl/jsonpath/

/** One step of a path. */
type Step =
  | { type: 'field'; name: string }
  | { type: 'index'; index: number }
  | { type: 'all' }
  | { type: 'filter'; path: readonly Step[]; operator: string; value: unknown };

/** A path that was parsed. */
export type JsonPath = readonly Step[];

const TOKEN =
  /^(?:\.([\w-]+(?:\\\.[\w-]+)*)|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]|\[(-?\d+)\]|(\[\*\]|\.\*)|\[\?\(@((?:\.[\w-]+)+)\s*(==|!=)\s*("[^"]*"|'[^']*'|[\w.-]+)\)\])/;

const parsed = new Map<string, JsonPath | undefined>();

/** Parses `.spec.hosts`, `.status.conditions[?(@.type=="Ready")].status`. Undefined: no path of these. */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (!parsed.has(text)) parsed.set(text, parse(text));
  return parsed.get(text);
}

function parse(text: string): JsonPath | undefined {
  const steps: Step[] = [];
  let rest = text.startsWith('.') || text.startsWith('[') ? text : `.${text}`;
  while (rest !== '') {
    const match = TOKEN.exec(rest);
    if (match === null) return undefined;
    const [token, field, quoted, doubleQuoted, index, all, filterPath, operator, literal] = match;
    const name = field ?? quoted ?? doubleQuoted;
    if (name !== undefined) steps.push({ type: 'field', name: name.replace(/\\(.)/g, '$1') });
    else if (index !== undefined) steps.push({ type: 'index', index: Number(index) });
    else if (all !== undefined) steps.push({ type: 'all' });
    else
      steps.push({
        type: 'filter',
        path: parse(filterPath!) ?? [],
        operator: operator!,
        value: readLiteral(literal!),
      });
    rest = rest.slice(token.length);
  }
  return steps;
}

function readLiteral(text: string): unknown {
  if (/^["']/.test(text)) return text.slice(1, -1);
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

/** All values at a path; none where there are none. */
export function findAll(value: unknown, path: JsonPath): unknown[] {
  let found = [value];
  for (const step of path) found = found.flatMap((at) => follow(at, step));
  return found;
}

function follow(value: unknown, step: Step): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  switch (step.type) {
    case 'field': {
      if (!Object.hasOwn(value, step.name)) return [];
      const inner = (value as Record<string, unknown>)[step.name];
      return inner === undefined || inner === null ? [] : [inner];
    }
    case 'index': {
      if (!Array.isArray(value)) return [];
      const inner: unknown = value.at(step.index);
      return inner === undefined ? [] : [inner];
    }
    case 'all':
      return Object.values(value);
    case 'filter':
      return (Array.isArray(value) ? value : Object.values(value)).filter((item) => {
        const [first] = findAll(item, step.path);
        return step.operator === '==' ? first === step.value : first !== step.value;
      });
  }
}
