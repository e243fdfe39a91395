import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextPage } from '../../../../src/upstream/registry/list-page.ts';

describe('the next page of a list', () => {
  const url = new URL('https://r.ex/v2/a/tags/list?n=2');
  const find = (link: string | string[] | undefined): string => {
    const next = nextPage({ headers: { link }, url });
    return next.kind === 'page' ? next.path : next.kind;
  };
  const cases: [string | string[] | undefined, string][] = [
    ['</v2/a/tags/list?last=b&n=2>; rel="next"', '/v2/a/tags/list?last=b&n=2'],
    ['<https://r.ex/v2/a/tags/list?last=b>; rel=next', '/v2/a/tags/list?last=b'],
    ['<?last=b>; title="x"; rel="next"', '/v2/a/tags/list?last=b'],
    ['</next>; rel = "next"', '/next'],
    ['</v2/gr\u00c3\u00bcn>; rel="next"', '/v2/gr%C3%BCn'],
    ['</next>; rel="last next"', '/next'],
    ['</first>; rel="first", </v2/next>; rel="next"', '/v2/next'],
    [['</first>; rel="first"', '</v2/next>; rel="next"'], '/v2/next'],
    ['<https://inner.ex/v2/a/tags/list?last=b>; rel="next"', '/v2/a/tags/list?last=b'],
    ['<http://r.ex:8443/v2/a/tags/list?last=b>; rel="next"', '/v2/a/tags/list?last=b'],
    ['</v2/a/tags/list?last=b>; rel="prev"', 'none'],
    ['</v2/a/tags/list?last=b>; rel="nextish"', 'none'],
    ['nonsense', 'none'],
    [undefined, 'none'],
    ['<http://[>; rel="next"', 'unreadable'],
    ['<file:///etc/passwd>; rel="next"', 'unreadable'],
    ['</a>; title="b, c"; rel="next"', 'unreadable'],
    ['/v2/a/tags/list?last=b; rel="next"', 'unreadable'],
  ];
  for (const [link, expected] of cases) {
    it(`of ${link} is ${expected}`, () => assert.equal(find(link), expected));
  }

  // In quadratic time each of these would take minutes.
  for (const piece of ['<', '<a>', '<a>;x', '<a>; rel=', 'rel=', 'rel=" ']) {
    it(`of a very long header full of ${piece} is looked for in linear time`, () => {
      assert.equal(find(piece.repeat(2_000_000 / piece.length)), 'none');
    });
  }
});
