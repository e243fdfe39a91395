import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readStrictly, type StrictTable } from '../../../../src/config/toml/strict-table.ts';
import { parseToml } from '../../../../src/config/toml/toml-document.ts';
import { flag, integer, oneOf } from '../../../../src/config/toml/value-kinds.ts';

const file = 'e.toml';

/** A list of tables with a table in each, as `[[sync]]` with `tags = { ... }`. */
function readSync(top: StrictTable) {
  return top.tables('sync').map((sync) => {
    const tags = sync.table('tags');
    return {
      name: sync.required('name', oneOf('a', 'b')),
      newest: tags.value('newest', integer(1, 100), 10),
      mirror: sync.value('mirror', flag, false),
    };
  });
}

function read<T>(text: string, reader: (top: StrictTable) => T) {
  return readStrictly({ file, root: parseToml(text, file) }, reader);
}

describe('a table in a list of tables', () => {
  const text =
    '[[sync]]\nname = "a"\ntags = { newest = 5 }\n\n[[sync]]\nname = "b"\n[sync.tags]\nnewest = 7\n';

  it('is read, written either way', () => {
    const { result, problems } = read(text, readSync);
    assert.deepEqual(problems, []);
    assert.deepEqual(result, [
      { name: 'a', newest: 5, mirror: false },
      { name: 'b', newest: 7, mirror: false },
    ]);
  });

  it('has its settings under its place in the list, without defaults', () => {
    const { settings } = read(text, readSync);
    const told = settings.map(({ key, from }) => `${key}:${from.kind === 'file' ? from.line : from.kind}`);
    assert.deepEqual(told, [
      'sync[0].name:2',
      'sync[0].tags.newest:3',
      'sync[1].name:6',
      'sync[1].tags.newest:8',
    ]);
  });

  it('has its unknown keys and wrong values told with their lines', () => {
    const { problems, result } = read(
      '[[sync]]\nname = "a"\n[sync.tags]\nnewst = 1\nnewest = 0\n[[sync]]\ntags = 3\n',
      readSync,
    );
    assert.deepEqual(
      problems.map(({ line, message }) => `${line}: ${message}`),
      [
        '4: unknown key "newst" in [sync.tags]: did you mean newest?',
        '5: sync.tags.newest must be a whole number from 1 to 100, not 0',
        '6: [[sync]] needs the key name: "a" or "b"',
        '7: sync.tags must be a table, [sync.tags] or tags = { KEY = VALUE }, not 3',
      ],
    );
    assert.deepEqual(
      result.map(({ newest }) => newest),
      [10, 10],
    );
  });
});

describe('a list', () => {
  const readRights = (top: StrictTable) => top.list('may', oneOf('pull', 'push'), ['pull']);

  it('has its default if it is absent or no list, and is empty if it is written so', () => {
    assert.deepEqual(read('', readRights).result, ['pull']);
    assert.deepEqual(read('may = "pull"', readRights).result, ['pull']);
    assert.deepEqual(read('may = []', readRights).result, []);
    assert.deepEqual(read('may = ["push"]', readRights).result, ['push']);
  });

  it('shows its default among the settings', () => {
    assert.deepEqual(read('', readRights).settings, [
      { key: 'may', value: ['pull'], from: { kind: 'default' } },
    ]);
  });

  it('keeps its right items, and tells the wrong ones', () => {
    const { result, problems } = read('may = ["push",\n"pul"]', readRights);
    assert.deepEqual(result, ['push']);
    assert.deepEqual(
      problems.map(({ line, message }) => `${line}: ${message}`),
      ['2: each item of may must be "pull" or "push", not "pul"'],
    );
  });
});
