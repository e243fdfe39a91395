/** The manual pages that packages bring: everything that the help says, and every key of entrepot.toml. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { manualPages } from '../../deploy/man/manual-pages.ts';
import { commandTree, flatten } from '../../src/cli/completion/command-tree.ts';
import { createProgram } from '../../src/cli/program.ts';

const edition = { version: '1.2.3', date: 1_000_000_000 };

describe('the manual pages', () => {
  const pages = manualPages(edition);
  const tree = commandTree(createProgram([], () => {}));
  /** As a reader sees it, on one line. */
  const shown = (name: string): string =>
    (pages.get(name) ?? '')
      .replaceAll(/\\f[BIR]|\\&/g, '')
      .replaceAll('\\-', '-')
      .replaceAll('\\(aq', "'")
      .replaceAll('\\(dq', '"')
      .replaceAll('\\(ti', '~')
      .replaceAll(/\s+/g, ' ');

  it('are one for the program, one for each command and one for each file', () => {
    const commands = tree.commands.map(({ words }) => `${words.join('-')}.1`);
    const wanted = ['entrepot.1', ...commands, 'entrepot.toml.5', 'entrepot-registries.conf.5'];
    assert.deepEqual([...pages.keys()], wanted);
    assert.match(pages.get('entrepot.1') ?? '', /^\.TH "ENTREPOT" 1 2001-09-09 "Entrepot 1\.2\.3"/);
  });

  it('say of each command, operand and flag what the help says', () => {
    for (const node of flatten(tree)) {
      const text = shown(`${node.words.slice(0, 2).join('-')}.1`).toLowerCase();
      const terms = [...node.operands, ...node.options];
      for (const said of [node.summary, ...terms.flatMap(({ term, description }) => [term, description])]) {
        assert.ok(text.includes(said.toLowerCase()), `${node.words.join(' ')}: ${said}`);
      }
      const examples = node.notes.split('\n').slice(1);
      if (node.words.length === 2)
        for (const line of examples) assert.ok(text.includes(line.trim().toLowerCase()), line);
    }
  });

  it('name every key and variable of configuration.md', () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8');
    const [, flags = '', rest = ''] =
      /## Flags and variables\n(.*?)\n## registries.conf\n.*?\n## entrepot.toml\n(.*?)\n## Credentials/s.exec(
        page,
      ) ?? [];
    const keys = [...rest.matchAll(/^\| `([a-z_]+)` +\|/gm)].map(([, key = '']) => key);
    const variables = [...flags.matchAll(/`(ENTREPOT_[A-Z_]+)`/g)].map(([, name = '']) => name);
    assert.ok(keys.length > 50 && variables.length > 10);
    const settings = pages.get('entrepot.toml.5') ?? '';
    assert.deepEqual(
      keys.filter((key) => !settings.includes(`.TP\n\\fB${key}\\fR\n`)),
      [],
    );
    assert.deepEqual(
      variables.filter((name) => !shown('entrepot.1').includes(name)),
      [],
    );
  });
});
