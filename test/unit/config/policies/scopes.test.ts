import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isNested, isScope } from '../../../../src/config/policies/scopes.ts';

describe('a scope', () => {
  for (const [scope, outer, expected] of [
    ['a.io', 'b.io', false],
    ['a.io', 'a.io', true],
    ['a.io/x', 'a.io', true],
    ['a.io/x/y/z', 'a.io', true],
    ['a.io', 'a.io/x', false],
    ['a.io:443', 'a.io', false],
    ['a.io:443', 'a.io:444', false],
    ['a.io:443/x', 'a.io:443', true],
    ['a.io.b.io', 'a.io', false],
    ['a.io2', 'a.io', false],
    ['a.io/xy', 'a.io/x', false],
    ['b.a.io', '*.a.io', true],
    ['c.b.a.io', '*.a.io', true],
    ['a.io', '*.a.io', false],
    ['xa.io', '*.a.io', false],
    ['*.b.a.io', '*.a.io', true],
    ['*.a.io', '*.a.io', true],
    ['*.a.io', '*.b.a.io', false],
    ['b.a.io/x', '*.a.io', true],
    ['b.a.io:5000/x/y', '*.a.io', true],
    ['b.a.io/x:1', '*.a.io', false],
    ['x/b.a.io', '*.a.io', false],
    ['x/b.a.io:400', '*.a.io', false],
    ['b.a.io', '**.a.io', false],
    ['b.a.io', 'b.*.io', false],
    ['b.a.io', '*a.io', false],
    ['b.a.io', '*.a.io/x', false],
  ] as const) {
    it(`${scope} is ${expected ? 'a' : 'no'} part of ${outer}`, () => {
      assert.equal(isNested(scope, outer), expected);
    });
  }

  it('is any text, but a wildcard has one form', () => {
    for (const text of ['a.io', '*.a.io', 'a.io:5000/x', 'a.io/', 'http://a.io', 'a b'])
      assert.ok(isScope(text), text);
    for (const text of ['', '*', '*a.io', '*.a.io/x', '*.a.io:5', '*.*.io', 'a.*'])
      assert.ok(!isScope(text), text);
  });
});
