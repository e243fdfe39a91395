import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { plainHead } from '../../../../src/upstream/http/lenient-heads.ts';

const head = (...lines: string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');

describe('the head of an answer', () => {
  for (const [what, before, after] of [
    ['one length stays', ['Content-Length: 5', 'ETag: x'], ['Content-Length: 5', 'ETag: x']],
    ['no length stays', ['Transfer-Encoding: chunked'], ['Transfer-Encoding: chunked']],
    [
      'equal ones become one',
      ['content-length: 5', 'A: b', 'Content-Length:5 '],
      ['Content-Length: 5', 'A: b'],
    ],
    ['a list of equal ones becomes one', ['Content-Length: 5, 5'], ['Content-Length: 5']],
    [
      'chunked overrides',
      ['Content-Length: 5', 'Transfer-Encoding: chunked'],
      ['Transfer-Encoding: chunked'],
    ],
    [
      'chunked after another coding overrides',
      ['Transfer-Encoding: gzip, chunked', 'Content-Length: 5'],
      ['Transfer-Encoding: gzip, chunked'],
    ],
    [
      'another coding does not override',
      ['Content-Length: 5', 'Transfer-Encoding: x-chunked'],
      ['Content-Length: 5', 'Transfer-Encoding: x-chunked'],
    ],
    [
      'a folded line becomes one line',
      ['Content-Length: 5', ' 6', 'Transfer-Encoding:', '\tchunked', 'A: b', ' ', 'C: d'],
      ['Transfer-Encoding: chunked', 'A: b ', 'C: d'],
    ],
    [
      'a space before the colon goes',
      ['Content-Length : 5', 'A \t: b : c'],
      ['Content-Length: 5', 'A: b : c'],
    ],
    [
      'a control character becomes a space',
      ['A: b\u0001c\rd\u007f', 'E: \u00fc\u0080'],
      ['A: b c d ', 'E: \u00fc\u0080'],
    ],
  ] as const) {
    it(what, () => assert.equal(plainHead(head(...before)), head(...after)));
  }

  it('gets the ends of lines that the parser wants', () => {
    const bare = head('A: b', 'Content-Length: 5').replaceAll('\r', '');
    assert.equal(plainHead(bare), head('Content-Length: 5', 'A: b'));
  });

  it('is refused if its lengths differ', () => {
    for (const lines of [
      ['Content-Length: 5', 'Content-Length: 6'],
      ['Content-Length: 5, 6'],
      ['Content-Length: 5,', ' 6'],
      ['Content-Length: 5', 'Content-Length: 05'],
    ])
      assert.equal(plainHead(head(...lines)), undefined);
  });
});
