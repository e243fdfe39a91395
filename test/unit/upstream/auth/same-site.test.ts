import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { areSameSite } from '../../../../src/upstream/auth/same-site.ts';

describe('names of one owner', () => {
  it('is the same question from both sides', () => {
    for (const [one, other, expected] of [
      ['a.corp.com', 'b.corp.com', true],
      ['corp.com', 'b.corp.com', true],
      ['CORP.com', 'b.corp.COM', true],
      ['a.com', 'b.com', false],
      ['localhost', 'localhost', false],
      ['10.0.0.1', '20.0.0.1', false],
      ['com', 'com', false],
    ] as const) {
      assert.equal(areSameSite(one, other), expected, `${one} ${other}`);
      assert.equal(areSameSite(other, one), expected, `${other} ${one}`);
    }
  });
});
