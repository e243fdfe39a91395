import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run, runEntrepot } from '../../support/processes.ts';

const mainFile = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const packageFile = fileURLToPath(new URL('../../../package.json', import.meta.url));

/** Runs main.ts as if by another Node: the check comes before anything else is loaded. */
function runAsNode(version: string) {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return run(process.execPath, ['--import', preload, mainFile, '--version']);
}

test('a Node that is too old gets one line that says which is needed, and exit code 2', async () => {
  for (const version of ['18.20.4', '20.20.2', '22.18.0']) {
    const { code, stdout, stderr } = await runAsNode(version);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /^entrepot: Node 22\.19 or later is needed, but \S+ is Node [\d.]+\n$/);
    assert.ok(stderr.includes(version));
  }
});

test('a Node that is new enough runs the program', async () => {
  for (const version of ['22.19.0', '24.0.0', '30.0.0']) {
    const { code, stderr } = await runAsNode(version);
    assert.deepEqual([code, stderr], [0, '']);
  }
});

test('--version prints the version of package.json', async () => {
  const { version } = JSON.parse(readFileSync(packageFile, 'utf8'));
  assert.deepEqual(await runEntrepot(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('--help names every command, and the help of a command names the common flags too', async () => {
  const all = await runEntrepot(['--help']);
  assert.equal(all.code, 0);
  for (const word of ['serve', 'explain', 'check', 'Exit codes']) assert.ok(all.stdout.includes(word), word);
  const one = await runEntrepot(['serve', '--help']);
  assert.equal(one.code, 0);
  const common = ['--registries', '--registries-dir', '--policies', '--config', '--log-level'];
  const flags = ['--listen', '--data', ...common];
  for (const flag of flags) assert.ok(one.stdout.includes(flag), flag);
});

test('the help of every command has an example of it', async () => {
  const { stdout } = await runEntrepot(['--help']);
  const commands = [...stdout.matchAll(/^ {2}(?!help)([a-z]+) \[options\]/gm)].map(([, name]) => name!);
  assert.ok(commands.length >= 12, stdout);
  const helps = await Promise.all(commands.map((name) => runEntrepot([name, '--help'])));
  for (const [at, name] of commands.entries()) {
    assert.match(helps[at]!.stdout, new RegExp(`\n\nExamples?:\n  entrepot ${name}\\b`));
  }
});

test('bad usage exits with 2 and a line that helps', async () => {
  const wrong: [string[], RegExp][] = [
    [['serv'], /^entrepot: unknown command 'serv'\n\(Did you mean serve\?\)/],
    [['serve', '--registry', 'x'], /^entrepot: unknown option '--registry'\n\(Did you mean --registries\?\)/],
    [['explain'], /^entrepot: missing required argument 'REF'\nFor help: entrepot explain --help\n$/],
    [['token', 'revoke'], /\nFor help: entrepot token revoke --help\n$/],
    [['--nope'], /\nFor help: entrepot --help\n$/],
    [['explain', 'a', 'b'], /^entrepot: too many arguments for 'explain'[^(]*$/],
    [
      ['serve', 'listen', '0.0.0.0:5000'],
      /^entrepot: too many arguments for 'serve'.*\n\(Did you mean --listen\?\)\n/,
    ],
    [['serve', 'config=e.toml'], /\(Did you mean --config\?\)/],
    [['serve', '--data', 'd', 'log-level', 'debug'], /\(Did you mean --log-level\?\)/],
    [['check', 'json'], /\(Did you mean --json\?\)/],
    [['explain', 'alpine', '--datas', 'x'], /^entrepot: unknown option '--datas'/],
    [['check', '--config'], /^entrepot: option '--config <FILE>' argument missing/],
    [['serve', '--listen', 'nowhere'], /^entrepot: --listen must be HOST:PORT/],
    [['serve', '--log-level', 'loud'], /^entrepot: --log-level must be/],
  ];
  for (const [args, message] of wrong) {
    const { code, stdout, stderr } = await runEntrepot(args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, message);
  }
});

test('without a command, the help goes to standard error, and the exit code is 2', async () => {
  const { code, stdout, stderr } = await runEntrepot([]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^Usage: entrepot/);
});
