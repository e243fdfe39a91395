import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { contentRange, parseContentRange } from '../../../../src/lib/bytes/byte-range.ts';

describe('Content-Range', () => {
  it('reads back what a server writes', () => {
    const number = fc.nat({ max: 2 ** 40 });
    fc.assert(
      fc.property(number, number, fc.option(number), (start, length, rest) => {
        const end = start + length + 1;
        const size = rest === null ? undefined : end + rest;
        assert.deepEqual(parseContentRange(`bytes ${start}-${end - 1}/${size ?? '*'}`), { start, end, size });
        if (size !== undefined) {
          assert.deepEqual(parseContentRange(contentRange({ start, end }, size)), { start, end, size });
        }
      }),
    );
  });

  it('refuses everything else', () => {
    for (const text of [
      undefined,
      '',
      'bytes */5',
      'bytes 5-4/9',
      'bytes 0-9/9',
      'items 0-1/2',
      'bytes 0-1',
      'bytes -1-2/3',
      'bytes 0-1/2x',
      'bytes 0-99999999999999999999/*',
    ]) {
      assert.equal(parseContentRange(text), undefined, text);
    }
  });
});
