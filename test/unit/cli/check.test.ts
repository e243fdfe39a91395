import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runEntrepot } from '../../support/processes.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const sound = '[[registry]]\nlocation = "docker.io"\n';

function place(t: TestContext, files: Record<string, string>): string {
  const folder = tempFolder(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** In `cwd`, so that its entrepot.toml is found. */
async function check(cwd: string, ...args: string[]) {
  return await runEntrepot(['check', '--registries', join(cwd, 'registries.conf'), ...args], { cwd });
}

test('a configuration without fault exits with 0 and tells the files that were read', async (t) => {
  const folder = place(t, { 'registries.conf': sound, 'entrepot.toml': 'data = "d"\n' });
  const files = [join(folder, 'registries.conf'), join(folder, 'entrepot.toml')];
  const asJson = await check(folder, '--json');
  assert.equal(asJson.code, 0);
  assert.deepEqual(JSON.parse(asJson.stdout), { files, warnings: [], errors: [] });
  assert.deepEqual(await check(folder), {
    code: 0,
    stdout: `read ${files[0]}\nread ${files[1]}\n0 errors, 0 warnings\n`,
    stderr: '',
  });
});

test('warnings alone exit with 0, each with its file and line', async (t) => {
  const folder = place(t, { 'registries.conf': `${sound}mirorr = 1\n` });
  const file = join(folder, 'registries.conf');
  const { code, stdout } = await check(folder, '--json');
  const { warnings, errors } = JSON.parse(stdout);
  assert.deepEqual([code, errors, warnings.length], [0, [], 1]);
  assert.deepEqual([warnings[0].file, warnings[0].line], [file, 3]);
  assert.match(warnings[0].message, /mirorr/);
  const inWords = await check(folder);
  assert.equal(inWords.code, 0);
  assert.ok(inWords.stdout.startsWith(`${file}:3: warning: `), inWords.stdout);
  assert.match(inWords.stdout, /\n0 errors, 1 warning\n$/);
});

test('errors exit with 2, those of all files at once, and the warnings with them', async (t) => {
  const folder = place(t, {
    'registries.conf': `${sound}mirorr = 1\n[[registry]]\nblocked = true\n`,
    'entrepot.toml': 'lissten = 1\n[cache]\nmax_size = "lots"\n',
  });
  const { code, stdout } = await check(folder, '--json');
  assert.equal(code, 2);
  const { warnings, errors } = JSON.parse(stdout);
  const shape = errors.map((error: Record<string, unknown>) => [error.code, error.file, error.line]);
  assert.deepEqual(shape, [
    ['CONFIG_INVALID', join(folder, 'registries.conf'), 4],
    ['CONFIG_INVALID', join(folder, 'entrepot.toml'), 1],
    ['CONFIG_INVALID', join(folder, 'entrepot.toml'), 3],
  ]);
  assert.deepEqual(Object.keys(errors[0]), ['code', 'message', 'file', 'line']);
  assert.equal(warnings[0].line, 3);
  const inWords = await check(folder);
  assert.equal(inWords.code, 2);
  assert.ok(inWords.stdout.includes(`${join(folder, 'entrepot.toml')}:1: error: unknown key "lissten"`));
  assert.match(inWords.stdout, /\n3 errors, 1 warning\n$/);
});

test('an error without a file has null in its place', async (t) => {
  const folder = place(t, { 'registries.conf': sound });
  const { code, stdout } = await check(folder, '--json', '--log-level', 'loud');
  assert.equal(code, 2);
  const [error] = JSON.parse(stdout).errors;
  assert.deepEqual([error.code, error.file, error.line], ['USAGE', null, null]);
  const inWords = await check(folder, '--log-level', 'loud');
  assert.match(inWords.stdout, /^error: --log-level must be/);
});

test('a file that is missing, a folder in its place and broken TOML are errors of that file', async (t) => {
  const folder = place(t, { 'registries.conf': '[[registry\n' });
  mkdirSync(join(folder, 'folder'));
  const wrong: [string, string, number | null][] = [
    ['registries.conf', 'CONFIG_INVALID', 1],
    ['absent.conf', 'CONFIG_UNREADABLE', null],
    ['folder', 'CONFIG_UNREADABLE', null],
  ];
  for (const [name, code, line] of wrong) {
    const file = join(folder, name);
    const result = await runEntrepot(['check', '--json', '--registries', file], { cwd: folder });
    assert.equal(result.code, 2);
    const [error] = JSON.parse(result.stdout).errors;
    assert.deepEqual([error.code, error.file, error.line], [code, file, line]);
  }
});

test('a flag wins over its variable, and a variable over the search', async (t) => {
  const folder = place(t, { 'registries.conf': sound, 'other.conf': sound, 'mine.toml': '' });
  const env = {
    ENTREPOT_REGISTRIES: join(folder, 'other.conf'),
    ENTREPOT_CONFIG: join(folder, 'mine.toml'),
  };
  const byVariable = await runEntrepot(['check', '--json'], { cwd: folder, env });
  assert.deepEqual(JSON.parse(byVariable.stdout).files, Object.values(env));
  const byFlag = await runEntrepot(['check', '--json', '--registries', 'registries.conf'], {
    cwd: folder,
    env,
  });
  assert.deepEqual(JSON.parse(byFlag.stdout).files, [join(folder, 'registries.conf'), env.ENTREPOT_CONFIG]);
});
