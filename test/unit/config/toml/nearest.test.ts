import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nearest } from '../../../../src/config/toml/nearest.ts';

const known = ['max_size', 'min_free', 'quota', 'pin', 'listen', 'default_registry'];

describe('nearest', () => {
  for (const [written, meant] of [
    ['max_sise', 'max_size'],
    ['maxsize', 'max_size'],
    ['maxSize', 'max_size'],
    ['max-size', 'max_size'],
    ['MAX_SIZE', 'max_size'],
    ['lisen', 'listen'],
    ['qouta', 'quota'],
    ['default-registy', 'default_registry'],
  ] as const) {
    it(`takes ${written} for ${meant}`, () => assert.equal(nearest(written, known), meant));
  }

  it('takes the first part of a word for the word', () => {
    assert.equal(nearest('key', ['kid', 'key_file', 'issuer']), 'key_file');
    assert.equal(nearest('secret', ['name', 'secret_file', 'secret_in_path']), 'secret_file');
  });

  it('has no guess for a word that is like none of them', () => {
    for (const word of ['colour', 'x', '', 'zzzzzzzzzzzzzzzzzzzzz'])
      assert.equal(nearest(word, known), undefined);
  });

  it('takes the first of two that are equally near', () => {
    assert.equal(nearest('tad', ['tag', 'tab']), 'tag');
  });

  it('is not slowed down by a very long word', () => {
    assert.equal(nearest('x'.repeat(1_000_000), known), undefined);
  });
});
