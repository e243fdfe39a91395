import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '../../../src/oci/parse-json.ts';

function nested(depth: number): string {
  return `${'['.repeat(depth)}${']'.repeat(depth)}`;
}

describe('JSON from outside', () => {
  it('is read as JSON.parse reads it, from text and from bytes', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 20 }), (text) => {
        const expected = { ok: true, value: JSON.parse(text) as unknown };
        assert.deepEqual(parseJson(text), expected);
        assert.deepEqual(parseJson(Buffer.from(text)), expected);
      }),
    );
  });

  for (const text of ['', ' ', '{', '[1,]', 'nul', '"open', '<html></html>', ']]]]', '"\\']) {
    it(`that is ${JSON.stringify(text)} is no JSON`, () => {
      assert.deepEqual(parseJson(text), { ok: false, problem: 'is no JSON' });
    });
  }

  it('is no JSON if it is not UTF-8', () => {
    assert.deepEqual(parseJson(Buffer.from([0x22, 0xff, 0x22])), { ok: false, problem: 'is no JSON' });
  });

  it('may be a hundred levels deep, and no deeper', () => {
    assert.equal(parseJson(nested(100)).ok, true);
    const problem = 'is nested more than 100 levels deep';
    assert.deepEqual(parseJson(nested(101)), { ok: false, problem });
    assert.deepEqual(parseJson('{"a":'.repeat(100_000)), { ok: false, problem });
    assert.deepEqual(parseJson(nested(3), { depth: 2 }), {
      ok: false,
      problem: 'is nested more than 2 levels deep',
    });
  });

  it('is not deep for brackets in its strings or beside each other', () => {
    assert.equal(parseJson(JSON.stringify('['.repeat(200))).ok, true);
    assert.equal(parseJson(JSON.stringify(`\\"${'{'.repeat(200)}`)).ok, true);
    assert.equal(parseJson(`[${'[],'.repeat(200)}[]]`).ok, true);
  });

  it('holds a bounded number of values', () => {
    assert.equal(parseJson('[1,2,{"a":3}]', { values: 5 }).ok, true);
    assert.deepEqual(parseJson('[1,2,{"a":3},4]', { values: 5 }), {
      ok: false,
      problem: 'holds more than 5 values',
    });
    assert.equal(parseJson(`[${'{},'.repeat(1_000_000)}{}]`).ok, false);
    assert.equal(parseJson(JSON.stringify(','.repeat(2_000_000))).ok, true);
  });
});
