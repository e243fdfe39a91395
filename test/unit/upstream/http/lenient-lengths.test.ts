import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withOneLength } from '../../../../src/upstream/http/lenient-lengths.ts';

const head = (...lines: string[]) => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');

describe('the lengths in the head of an answer', () => {
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
      'a head with folded lines stays as it is',
      ['Content-Length: 5', ' 6', 'Transfer-Encoding: chunked'],
      ['Content-Length: 5', ' 6', 'Transfer-Encoding: chunked'],
    ],
  ] as const) {
    it(what, () => assert.equal(withOneLength(head(...before)), head(...after)));
  }

  it('are refused if they differ', () => {
    for (const lines of [
      ['Content-Length: 5', 'Content-Length: 6'],
      ['Content-Length: 5, 6'],
      ['Content-Length: 5', 'Content-Length: 05'],
    ])
      assert.equal(withOneLength(head(...lines)), undefined);
  });
});
