/** The completions of `entrepot completion`, in the shells themselves: what is typed with the key Tab becomes a command line. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runEntrepot } from '../support/processes.ts';
import { tempFolder } from '../support/temp-folder.ts';
import { hasPrograms } from './support/equipment.ts';
import { run } from './support/programs.ts';

/** Typed after `entrepot `; each Tab is a key. */
const keys = 'tok\tcr\tci --mat\tx --dat\tsom\t';
const completed = 'token create ci --match x --data some folder';

async function folderWithScript(t: TestContext, shell: string): Promise<string> {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'some folder'));
  const { code, stdout } = await runEntrepot(['completion', shell]);
  assert.equal(code, 0);
  writeFileSync(join(folder, 'script'), stdout);
  return folder;
}

/** Types lines into a shell that has a terminal; gives the words that the command `entrepot` got. */
async function typed(shell: string, folder: string, prepare: string): Promise<string | undefined> {
  const receive = 'entrepot() { echo "GOT:$*:"; }';
  writeFileSync(join(folder, 'keys'), [prepare, receive, `entrepot ${keys}`, 'exit', ''].join('\n'));
  const terminal = `cd ${folder} && script --quiet --return --command '${shell}' /dev/null < keys`;
  const output = await run('sh', ['-c', terminal], { TERM: 'dumb', HOME: folder });
  return /GOT:(.*?)\/?:\r?\n/.exec(output)?.[1];
}

test('bash completes commands, flags and folders', async (t) => {
  const folder = await folderWithScript(t, 'bash');
  assert.equal(await typed('bash --norc -i', folder, 'source ./script'), completed);
});

test('zsh completes commands, flags and folders', async (t) => {
  if (!hasPrograms(t, ['zsh'])) return;
  const folder = await folderWithScript(t, 'zsh');
  const prepare = 'autoload -Uz compinit; compinit -u -D; source ./script';
  assert.equal(await typed('zsh -f -i', folder, prepare), completed);
});

test('fish completes commands, flags, folders and choices', async (t) => {
  if (!hasPrograms(t, ['fish'])) return;
  const folder = await folderWithScript(t, 'fish');
  const offered = async (line: string) => {
    const code = `cd ${folder}; source script; complete -C '${line}'`;
    const answer = await run('fish', ['--no-config', '-c', code], { HOME: folder });
    return answer
      .trim()
      .split('\n')
      .map((one) => one.split('\t')[0]);
  };
  assert.deepEqual(await offered('entrepot tok'), ['token']);
  assert.deepEqual(await offered('entrepot token cr'), ['create']);
  assert.deepEqual(await offered('entrepot token create --mat'), ['--match']);
  assert.deepEqual(await offered('entrepot serve --data so'), ['some folder/']);
  assert.deepEqual(await offered('entrepot backup --content ho'), ['hosted']);
  assert.deepEqual((await offered('entrepot import s')).toSorted(), ['script', 'some folder/']);
});
