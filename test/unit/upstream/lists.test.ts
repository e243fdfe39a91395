import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextPage } from '../../../src/upstream/lists.ts';

describe('the next page of a list', () => {
  const url = new URL('https://r.ex/v2/a/tags/list?n=2');
  const cases: [string | string[] | undefined, string | undefined][] = [
    ['</v2/a/tags/list?last=b&n=2>; rel="next"', '/v2/a/tags/list?last=b&n=2'],
    ['<https://r.ex/v2/a/tags/list?last=b>; rel=next', '/v2/a/tags/list?last=b'],
    ['<?last=b>; title="x"; rel="next"', '/v2/a/tags/list?last=b'],
    ['</first>; rel="first", </v2/next>; rel="next"', '/v2/next'],
    [['</first>; rel="first"', '</v2/next>; rel="next"'], '/v2/next'],
    ['<https://evil.ex/v2/a/tags/list?last=b>; rel="next"', undefined],
    ['<https://r.ex:8443/v2/a/tags/list?last=b>; rel="next"', undefined],
    ['</v2/a/tags/list?last=b>; rel="prev"', undefined],
    ['nonsense', undefined],
    [undefined, undefined],
  ];
  for (const [link, expected] of cases) {
    it(`of ${link} is ${expected}`, () => assert.equal(nextPage({ headers: { link }, url }), expected));
  }

  for (const piece of ['<', '<a>', '<a>;x', '<a>; rel=']) {
    it(`of a header full of ${piece} is looked for in no time`, () => {
      const link = piece.repeat(60_000 / piece.length);
      const began = performance.now();
      assert.equal(nextPage({ headers: { link }, url }), undefined);
      assert.ok(performance.now() - began < 200);
    });
  }
});
