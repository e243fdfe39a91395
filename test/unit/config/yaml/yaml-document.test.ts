import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseYaml, type YamlOptions, type YamlValue } from '../../../../src/config/yaml/yaml-document.ts';

/** Scalars as `KIND` or their text, each with its line. */
function outline(value: YamlValue): unknown {
  if (value.kind === 'map')
    return Object.fromEntries([...value.entries].map(([key, one]) => [key, outline(one)]));
  if (value.kind === 'list') return value.items.map(outline);
  return `${value.kind === 'string' ? JSON.stringify(value.value) : value.kind}@${value.line}`;
}

const read = (text: string, options?: YamlOptions) => parseYaml(text, 'x.yml', options).map(outline);

function problem(text: string, options?: YamlOptions): string {
  try {
    parseYaml(text, 'x.yml', options);
  } catch (error) {
    const { code, located } = error as { code: string; located: string };
    return `${code} ${located}`;
  }
  throw new Error('it was read');
}

describe('parseYaml', () => {
  it('gives each value the line of its key or item', () => {
    assert.deepEqual(read('a: x\nb:\n  - 1\n  - c: true\n\n    d: ~\n'), [
      { a: '"x"@1', b: ['number@3', { c: 'boolean@4', d: 'null@6' }] },
    ]);
    assert.deepEqual(read('{"a": ["x"]}'), [{ a: ['"x"@1'] }]);
  });

  it('gives each document, and none for an empty file', () => {
    assert.deepEqual(read('a: x\n---\nb: y\n---\n'), [{ a: '"x"@1' }, { b: '"y"@3' }]);
    assert.deepEqual([read(''), read('# nothing\n')], [[], []]);
  });

  it('gives scalars as they are written, where texts are wanted', () => {
    assert.deepEqual(read('a: [1.10, 0x1F, yes, "", null, ~]\nb:\n', { scalars: 'text' }), [
      { a: ['"1.10"@1', '"0x1F"@1', '"yes"@1', '""@1', 'null@1', 'null@1'], b: 'null@2' },
    ]);
  });

  it('resolves aliases, and merges maps where that is wanted', () => {
    assert.deepEqual(read('a: &x [y]\nb: *x\n'), [{ a: ['"y"@1'], b: ['"y"@1'] }]);
    const merged = 'a: &x {k: 1, l: 2}\nb:\n  <<: [*x, {k: 3, m: 4}]\n  l: 5\n';
    const options = { scalars: 'text', merge: true } as const;
    assert.deepEqual(read(merged, options), [
      { a: { k: '"1"@1', l: '"2"@1' }, b: { l: '"5"@4', k: '"1"@1', m: '"4"@3' } },
    ]);
    assert.match(problem(merged), /x\.yml:\d: merge keys \(<<\) are not supported/);
    assert.match(problem('a:\n  <<: x\n', options), /x\.yml:2: a merge key \(<<\) takes a map/);
  });

  it('refuses what it cannot read, with the line', () => {
    assert.match(problem('a: x\nb: [\n'), /^CONFIG_INVALID x\.yml:\d: is not valid YAML: /);
    assert.match(problem('a: x\na: y\n'), /x\.yml:2: has the key "a" twice/);
    assert.match(problem('a: x\n? [b]\n: y\n'), /x\.yml:2: has a key that is no text/);
    assert.match(problem('a: *none\n'), /x\.yml:1: /);
    assert.match(problem('a: !!js/function x\n'), /x\.yml:1: is not valid YAML/);
  });

  it('bounds depth and size, aliases counted as what they stand for', () => {
    assert.match(problem('['.repeat(100) + ']'.repeat(100)), /nested more than 64 levels/);
    assert.match(problem('['.repeat(100_000)), /nested more than 64 levels|is not valid YAML/);
    const laughs = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]`);
    assert.match(problem(`a0: &a0 [x]\n${laughs.join('\n')}\n`), /more than 200000 values/);
    assert.match(problem('a: &a [*a]\n'), /nested more than 64 levels|stands for no anchor/);
  });
});
