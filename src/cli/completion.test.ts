import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Command, Option } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerCompletion } from './completion.ts';
import { registerProxyConfig } from './proxy-config/command.ts';
import { registerVersion } from './version.ts';

const run = promisify(execFile);

let folder: string;
const scripts: Record<string, string> = {};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'limen-completion-'));
  mkdirSync(join(folder, 'examples'));
  writeFileSync(join(folder, 'example.yaml'), '');
  writeFileSync(join(folder, 'my notes.yaml'), '');
  for (const shell of ['bash', 'zsh', 'fish']) {
    let script = '';
    const nothing = { stdout: () => {}, stderr: () => {}, env: {}, fetch };
    const program = new Command('limen').exitOverride();
    program
      .command('up')
      .description("it's up: a colon, a 'quote' and $HOME")
      .option('-f, --filename <path>', 'a file')
      .option('--home <dir>', 'a folder')
      .addOption(new Option('--internal', 'not shown').hideHelp())
      .addOption(new Option('--log-level <level>', 'how much').choices(['debug', 'info']));
    program.command('secret', { hidden: true });
    registerProxyConfig(program, nothing);
    registerVersion(program, nothing);
    registerCompletion(program, (text) => {
      script += text;
    });
    await program.parseAsync(['completion', shell], { from: 'user' });
    scripts[shell] = join(folder, `limen.${shell}`);
    writeFileSync(scripts[shell], script);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TABLES = ['listeners', 'routes', 'clusters', 'endpoints', 'secrets', 'bootstrap', 'all'];

/** A line, and everything that may come in place of its last word. */
const CASES: [line: string, words: string[]][] = [
  ['limen ', ['up', 'proxy-config', 'version', 'completion']],
  ['limen pro', ['proxy-config']],
  ['limen proxy-config ', TABLES],
  ['limen pc l', ['listeners']],
  ['limen pc listener --po', ['--port']],
  ['limen pc l -o ', ['short', 'json', 'yaml']],
  ['limen pc l --port 80 -o j', ['json']],
  ['limen pc l --output j', ['json']],
  ['limen pc l deploy/x --type T', ['TCP']],
  ['limen pc l -o listeners --po', ['--port']],
  ['limen pc l -n pc --si', []],
  ['limen completion ', ['bash', 'zsh', 'fish']],
  ['limen completion z', ['zsh']],
  ['limen up --log-level d', ['debug']],
  ['limen up --in', []],
  ['limen up --filename exa', ['example.yaml', 'examples']],
  ['limen up -f exa', ['example.yaml', 'examples']],
  ['limen up --home exa', ['examples']],
];

const missing = (shell: string) => spawnSync(shell, ['-c', 'true']).status !== 0;

/** Sorted, without the slash some shells put behind a folder. */
const tidy = (words: readonly string[]) => words.map((word) => word.replace(/\/$/, '')).sort();

/** Where the shell is missing the block is skipped and its name says why; with LIMEN_TEST_STRICT=1 it fails. */
function describeIn(shell: string, body: () => void): void {
  const absent = missing(shell);
  describe.skipIf(absent && process.env.LIMEN_TEST_STRICT !== '1')(
    `in ${shell}${absent ? ` (${shell} is not on the PATH)` : ''}`,
    body,
  );
}

describeIn('bash', () => {
  it.each(CASES)('%s', async (line, words) => {
    const driver = `
      source "$1"
      read -ra COMP_WORDS <<< "$2"
      [[ $2 == *' ' ]] && COMP_WORDS+=('')
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _limen_complete
      printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await run('bash', ['--norc', '-c', driver, 'bash', scripts.bash as string, line], {
      cwd: folder,
    });
    expect(tidy(stdout.trim().split('\n').filter(Boolean))).toEqual(tidy(words));
  });

  it('a file name with a space as one', async () => {
    const driver = `source "$1"; COMP_WORDS=(limen up -f my); COMP_CWORD=3; _limen_complete; printf '%s|' "\${COMPREPLY[@]}"`;
    const args = ['--norc', '-c', driver, 'bash', scripts.bash as string];
    expect((await run('bash', args, { cwd: folder })).stdout).toBe('my notes.yaml|');
  });

  it('a value behind = as well, which bash splits off', async () => {
    const driver = `source "$1"; COMP_WORDS=(limen pc l --output = j); COMP_CWORD=5; _limen_complete; echo "\${COMPREPLY[@]}"`;
    const { stdout } = await run('bash', ['--norc', '-c', driver, 'bash', scripts.bash as string]);
    expect(stdout).toBe('json\n');
  });

  it('is bound to limen', async () => {
    const { stdout } = await run('bash', [
      '--norc',
      '-c',
      'source "$1"; complete -p limen',
      'bash',
      scripts.bash as string,
    ]);
    expect(stdout).toBe('complete -F _limen_complete limen\n');
  });
});

describeIn('zsh', () => {
  it.each(CASES)('%s', async (line, words) => {
    // The completion system only runs below a terminal's editor: its commands are replaced by ones that print what they are given.
    const driver = `
      compdef() { }
      source "$1"
      compset() { return 1 }
      compadd() { shift; for word in "$@"; do [[ $word == $words[CURRENT]* ]] && print -r -- $word; done; true }
      _describe() { local list=$4 entry; for entry in "\${(@P)list}"; do [[ $entry == $words[CURRENT]* ]] && print -r -- \${entry%%:*}; done; true }
      _files() { local entry; for entry in $words[CURRENT]*; do [[ $1 != -/ || -d $entry ]] && print -r -- $entry; done; true }
      words=("\${(@s: :)2}")
      CURRENT=$#words
      _limen`;
    const { stdout } = await run('zsh', ['-f', '-c', driver, 'zsh', scripts.zsh as string, line], { cwd: folder });
    expect(tidy(stdout.trim().split('\n').filter(Boolean))).toEqual(tidy(words));
  });

  it('is a function for the command limen when it is found in $fpath', async () => {
    const file = join(folder, '_limen');
    writeFileSync(file, (await run('cat', [scripts.zsh as string])).stdout);
    const script = `fpath=("$1" $fpath); autoload -Uz compinit; compinit -D -u; echo $_comps[limen]`;
    const { stdout } = await run('zsh', ['-f', '-c', script, 'zsh', folder]);
    expect(stdout).toBe('_limen\n');
  });
});

describeIn('fish', () => {
  it.each(CASES)('%s', async (line, words) => {
    const driver = 'source $argv[1]; complete -C $argv[2]';
    const { stdout } = await run('fish', ['--no-config', '-c', driver, scripts.fish as string, line], {
      cwd: folder,
      env: { ...process.env, HOME: folder },
    });
    const found = stdout
      .split('\n')
      .filter(Boolean)
      .map((entry) => entry.split('\t')[0] as string);
    expect(tidy(found)).toEqual(tidy(words));
  });
});

describe('an unknown shell', () => {
  it('is refused with those there are', async () => {
    const program = new Command('limen').exitOverride().configureOutput({ writeErr: () => {} });
    registerCompletion(program, () => {});
    await expect(program.parseAsync(['completion', 'tcsh'], { from: 'user' })).rejects.toThrow(
      'Allowed choices are bash, zsh, fish.',
    );
  });
});
