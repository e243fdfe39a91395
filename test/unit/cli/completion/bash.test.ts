/** The completions that a real bash gives. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { acceptedOptions, commandTree, flatten } from '../../../../src/cli/completion/command-tree.ts';
import { createProgram } from '../../../../src/cli/program.ts';
import { run, runEntrepot } from '../../../support/processes.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

describe('entrepot completion bash', () => {
  const tree = commandTree(createProgram([], () => {}));
  let script: string;

  before(async () => {
    const { code, stdout } = await runEntrepot(['completion', 'bash']);
    assert.equal(code, 0);
    script = stdout;
  });

  /** What the key Tab offers after `line`, whose last word is the one to complete. */
  async function offered(line: string, cwd?: string): Promise<readonly string[]> {
    const words = line.split(/(?<==)|(?==)| /);
    const offers = `for one in "\${COMPREPLY[@]}"; do echo "$one"; done`;
    const call = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _entrepot; ${offers}`;
    // compopt works only while a person completes.
    const code = `compopt() { :; }; eval "$SCRIPT"; ${call}`;
    const options = { env: { SCRIPT: script }, ...(cwd && { cwd }) };
    const completed = await run('bash', ['-euc', code, 'bash', ...words], options);
    assert.equal(completed.stderr, '', line);
    return completed.stdout.split('\n').filter(Boolean);
  }

  it('offers commands that begin with the word', async () => {
    assert.deepEqual(await offered('entrepot se'), ['serve']);
    const next = await offered('entrepot token ');
    assert.deepEqual(next.slice(0, 4), ['create', 'list', 'revoke', '--help']);
  });

  it('offers after every command each flag that its help names', async () => {
    for (const node of flatten(tree)) {
      const flags = acceptedOptions(tree, node).map(({ flag }) => flag);
      assert.deepEqual((await offered([...node.words, '--'].join(' '))).toSorted(), flags.toSorted());
    }
  });

  it('looks past the values of flags, in both ways to write them', async () => {
    assert.deepEqual(await offered('entrepot --config serve token create --data list --ma'), [
      '--match',
      '--may',
    ]);
    assert.deepEqual(await offered('entrepot --config=serve token cr'), ['create']);
  });

  it('offers choices, files and folders as values', async (t) => {
    const folder = tempFolder(t);
    mkdirSync(join(folder, 'cache folder'));
    writeFileSync(join(folder, 'cache.toml'), '');
    assert.deepEqual(await offered('entrepot backup --content '), ['hosted', 'all', 'list']);
    assert.deepEqual(await offered('entrepot backup --content=h'), ['hosted']);
    assert.deepEqual(await offered('entrepot list --log-level d'), ['debug']);
    assert.deepEqual((await offered('entrepot check --config c', folder)).toSorted(), [
      'cache folder',
      'cache.toml',
    ]);
    assert.deepEqual(await offered('entrepot serve --data c', folder), ['cache folder']);
    assert.deepEqual((await offered('entrepot import c', folder)).toSorted(), ['cache folder', 'cache.toml']);
    assert.deepEqual(await offered('entrepot serve --listen '), []);
  });

  it('offers the formats of render, and no file beside them', async () => {
    assert.ok((await offered('entrepot render hosts')).includes('hosts.toml'));
  });
});
