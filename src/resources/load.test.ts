import { describe, expect, it } from 'vitest';
import { DocumentCache, loadDocuments, MAX_TEXT_LENGTH } from './load.ts';
import { describeProblem, formatProblem, type Problem } from './problem.ts';

const load = (text: string) => loadDocuments(text, 'f.yaml');
const described = ({ problems }: { problems: Problem[] }) => problems.map(describeProblem);
const service = (name: string) =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  ports:\n    - port: 80\n`;

describe('loadDocuments', () => {
  it('reads several documents, with comments, blank documents, `...` and Windows line ends', () => {
    const text = `# first\n---\n${service('a')}...\n---\n\n---\n# nothing\n--- # third\n${service('b')}`.replaceAll(
      '\n',
      '\r\n',
    );
    const { objects, problems } = load(text);
    expect(problems).toEqual([]);
    expect(objects.map(({ object, line }) => [object.metadata.name, line])).toEqual([
      ['a', 3],
      ['b', 16],
    ]);
  });

  it('does not take `---` inside an indented block scalar for a separator', () => {
    const { objects, problems } = load(
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  text: |\n    a\n    ---\n    b\n',
    );
    expect(problems).toEqual([]);
    expect(objects[0]?.object).toMatchObject({ data: { text: 'a\n---\nb\n' } });
  });

  it('reads a %YAML directive', () => {
    expect(load(`%YAML 1.2\n---\n${service('a')}`).objects).toHaveLength(1);
  });

  it('reads Lists of all kinds, and JSON indented with tabs', () => {
    const item = '{"apiVersion": "v1", "kind": "Namespace",\n\t\t"metadata": {"name": "team"}}';
    expect(load(`{"apiVersion": "v1", "kind": "List",\n\t"items": [${item}]}`).objects).toHaveLength(1);
    const bad = load(
      'apiVersion: v1\nkind: ServiceList\nitems:\n  - apiVersion: v1\n    kind: Service\n    metadata: {name: web}\n    spec: {ports: [{port: 0}]}\n',
    );
    expect(described(bad)).toEqual([
      'f.yaml:7:27: error: Service default/web: spec.ports[0].port: 0 is no port number',
    ]);
  });

  it('reads every served apiVersion of a kind', () => {
    for (const version of ['v1', 'v1beta1', 'v1alpha3']) {
      const text = `apiVersion: networking.istio.io/${version}\nkind: DestinationRule\nmetadata: {name: d}\nspec: {host: web}\n`;
      expect(load(text).objects).toHaveLength(1);
    }
    const slice =
      'apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: s}\naddressType: IPv4\nendpoints: [{addresses: [127.0.0.1]}]\n';
    expect(load(slice).objects).toHaveLength(1);
  });

  it('puts an object without namespace into default, and no namespace on a Namespace', () => {
    const { objects } = load(`${service('a')}---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n`);
    expect(objects.map(({ object }) => object.metadata.namespace)).toEqual(['default', undefined]);
  });

  it('folds stringData into data as base64, where it wins', () => {
    const { objects } = load(
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: eA==, b: eQ==}\nstringData: {a: "ü"}\n',
    );
    expect(objects[0]?.object).toMatchObject({ type: 'Opaque', data: { a: 'w7w=', b: 'eQ==' } });
    expect(objects[0]?.object).not.toHaveProperty('stringData');
  });

  it('takes a null field as absent, as `kubectl create --dry-run -o yaml` writes creationTimestamp', () => {
    const { objects, problems } = load(
      'apiVersion: v1\nkind: Service\nmetadata:\n  creationTimestamp: null\n  name: a\nspec:\n  selector:\n  ports: [{port: 80}]\nstatus:\n  loadBalancer: {}\n',
    );
    expect(problems).toEqual([]);
    expect(objects[0]?.object.metadata).toEqual({ name: 'a', namespace: 'default' });
  });

  it('refuses only the object that has an error', () => {
    const { objects, problems } = load(`${service('a')}---\n${service('b').replace('80', 'http')}---\n${service('c')}`);
    expect(objects.map(({ object }) => object.metadata.name)).toEqual(['a', 'c']);
    expect(problems).toMatchObject([
      {
        line: 15,
        column: 13,
        object: 'Service default/b',
        field: 'spec.ports[0].port',
        message: 'expected an integer, found "http"',
      },
    ]);
  });

  it('refuses the second of two objects with one key, naming the place of the first', () => {
    expect(described(load(`${service('a')}---\n${service('a')}`))).toEqual([
      'f.yaml:12:9: error: Service default/a: metadata.name: stands twice, first at f.yaml:1',
    ]);
  });

  it.each([
    ['metadata: {name: a}', 'f.yaml:1:1: error: apiVersion: is required'],
    ['apiVersion: v1\nkind: Service\n', 'f.yaml:1:1: error: Service default/(no name): metadata.name: is required'],
    [
      'apiVersion: v1\nkind: Service\nmetadata: {generateName: a-}\nspec: {ports: [{port: 80}]}',
      'f.yaml:3:1: error: Service default/(no name): metadata.name: is required',
    ],
    [
      'apiVersion: v1\nkind: Service\nmetadata: {name: Web}\nspec: {ports: [{port: 80}]}',
      'f.yaml:3:18: error: Service default/Web: metadata.name: "Web" is no DNS label',
    ],
    ['hello', 'f.yaml:1:1: error: expected an object with apiVersion, kind and metadata, found the string "hello"'],
    ['- a\n- b', 'f.yaml:1:1: error: expected an object with apiVersion, kind and metadata, found a list'],
    ['a: [', 'f.yaml:1:5: error: flow sequence in block collection must be sufficiently indented and end with a ]'],
  ])('says of %j: %s', (text, message) => {
    expect(described(load(text))[0]).toBe(message);
  });

  it('refuses text of 10 MB, a document of more than 1.5 MB, an alias bomb and endless nesting, quickly and without throwing', () => {
    const bomb = `a: &a [${Array(9).fill('x').join()}]\n${[...'bcdefghi'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join()}]`).join('\n')}`;
    const messages = [
      `${'# padding\n'.repeat(10 * 1024 * 102.4)}`,
      `a:\n${'  - b\n'.repeat(300_000)}`,
      bomb,
      `a: ${'['.repeat(100_000)}`,
      '- '.repeat(100_000),
      Array.from({ length: 1500 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
    ].map((text) => load(text).problems[0]?.message);
    expect(messages).toEqual([
      'has 10 MB, more than the 8 MB that one file may have',
      'the document has 1.7 MB, more than the 1.5 MB that an object may have',
      'its aliases expand to too much',
      'is nested too deeply',
      'is nested too deeply',
      'is nested too deeply',
    ]);
    expect(MAX_TEXT_LENGTH).toBe(8 * 1024 * 1024);
  });

  it('honours anchors, aliases and merge keys as other tools do', () => {
    const { objects } = load(
      'apiVersion: v1\nkind: Service\nmetadata: {name: a, labels: &labels {app: a}}\nspec:\n  selector: {<<: *labels, tier: x}\n  ports: [{port: 80}]\n',
    );
    expect(objects[0]?.object).toMatchObject({ spec: { selector: { app: 'a', tier: 'x' } } });
  });

  it('does not let a key named __proto__ reach any prototype', () => {
    load(
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {__proto__: {polluted: "yes"}}\n__proto__: {polluted: "yes"}\n',
    );
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  it('stops after 200 problems', () => {
    const { problems } = load('---\na: b\n'.repeat(1000));
    expect(problems).toHaveLength(201);
    expect(problems.at(-1)?.message).toBe('has more than 200 problems; the rest of it was not read');
  });

  it('says where a field of an object stands, also long after loading', () => {
    const { objects } = load(`${service('a')}---\n${service('b')}`);
    expect(objects[1]?.locate('spec.ports[0].port')).toEqual({ line: 15, column: 13 });
    expect(objects[1]?.locate('spec.ports[3].nothing')).toEqual({ line: 14, column: 3 });
  });

  it('parses only documents whose text changed when it has a cache, and keeps the other objects', () => {
    const cache = new DocumentCache();
    const first = loadDocuments(`${service('a')}---\n${service('b')}`, 'f.yaml', { cache });
    const second = loadDocuments(`# moved\n---\n${service('b')}---\n${service('c')}`, 'f.yaml', { cache });
    expect(second.objects[0]?.object).toBe(first.objects[1]?.object);
    expect(second.objects[0]?.line).toBe(3);
  });

  it('shows no line of a Secret, and no value of it', () => {
    const text =
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {password: hunter2, pin: 4711}\nstringData: [swordfish]\n';
    const output = load(text)
      .problems.map((problem) => formatProblem(problem, { color: false }))
      .join('\n');
    expect(output).toContain('data.pin');
    expect(output).not.toMatch(/hunter2|4711|swordfish/);
  });
});

describe('formatProblem', () => {
  it('cuts long lines around the place, and passes no control characters on', () => {
    const problem: Problem = {
      severity: 'error',
      file: 'f',
      line: 1,
      column: 501,
      message: 'bad \u001b[2J',
      source: `${'x'.repeat(500)}HERE${'y'.repeat(500)}`,
    };
    const [first, source, caret] = formatProblem(problem, { color: false }).split('\n') as [string, string, string];
    expect(first).toBe('f:1:501: error: bad \ufffd[2J');
    expect(source.length).toBeLessThan(130);
    expect(source.slice(caret.indexOf('^')).startsWith('HERE')).toBe(true);
  });
});
