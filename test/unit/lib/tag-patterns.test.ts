import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTagPattern } from '../../../src/lib/tag-patterns.ts';

function matches(pattern: string, tag: string): boolean {
  const read = readTagPattern(pattern);
  assert.ok(typeof read === 'function', `${pattern} is read`);
  return read(tag);
}

describe('a pattern over tags', () => {
  it('matches the whole tag, as a glob and as a regular expression', () => {
    for (const [pattern, tag, isMatch] of [
      ['8.*', '8.10', true],
      ['8.*', '8', false],
      ['8.*', '18.1', false],
      ['8.*', '8x1', false],
      ['*-source', '8.10-source', true],
      ['*-source', '8.10-source.1', false],
      ['v?', 'v1', true],
      ['v?', 'v10', false],
      ['v[0-3]', 'v2', true],
      ['v[!0-3]', 'v2', false],
      ['{latest,v{1,2}}', 'v2', true],
      ['{latest,v{1,2}}', 'v3', false],
      ['*', '.hidden', true],
      ['/\\d+/', '2024', true],
      ['/\\d+/', 'v2024', false],
      ['/a|b/', 'ab', false],
    ] as const) {
      assert.equal(matches(pattern, tag), isMatch, `${pattern} and ${tag}`);
    }
  });

  it('answers in linear time where a backtracking engine would take years', () => {
    assert.equal(matches('/(a+)+(a+)+(a+)+b/', 'a'.repeat(128)), false);
    assert.equal(matches(`${'*a'.repeat(60)}b`, 'a'.repeat(128)), false);
  });

  it('is refused with a reason if it can match no tag or does not compile', () => {
    for (const [pattern, reason] of [
      ['', /empty/],
      ['/(a/', /missing closing/],
      ['/a(?=b)/', /invalid or unsupported/],
      ['//', /empty/],
      ['v{1,2', /bracket/],
      ['v1}', /bracket/],
      ['v[', /bracket/],
      ['team/v1', /no tag/],
      ['a,b', /comma/],
      ['v 1', /no tag/],
      [`/${'a'.repeat(600)}/`, /longer/],
    ] as const) {
      const read = readTagPattern(pattern);
      assert.ok(typeof read === 'object', `${pattern} is refused`);
      assert.match(read.problem, reason);
    }
  });
});
