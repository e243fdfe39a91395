import assert from 'node:assert/strict';
import { it } from 'node:test';
import { expandBraces } from '../../../src/lib/braces.ts';

it('braces stand for each of their parts, nested ones too, and each text comes once', () => {
  for (const [text, expanded] of [
    ['a/b', ['a/b']],
    ['a/{b,c}', ['a/b', 'a/c']],
    ['{a,b}/{c,d}', ['a/c', 'a/d', 'b/c', 'b/d']],
    ['a{,-x}', ['a', 'a-x']],
    ['a/{b{1,2},c}', ['a/b1', 'a/c', 'a/b2']],
    ['{a,a}', ['a']],
    ['a/{b,c', undefined],
    ['a/b}', undefined],
    ['{0,1}'.repeat(12), undefined],
  ] as const) {
    assert.deepEqual(expandBraces(text), expanded, text);
  }
});
