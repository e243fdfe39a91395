import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseRange, planRanges } from '../../../../src/http/answers/byte-range.ts';

const plan = (header: string, size: number) => planRanges(parseRange(header), size);

describe('a Range header', () => {
  it('is read as specs with an exclusive end', () => {
    assert.deepEqual(parseRange('bytes=5-9'), [{ start: 5, end: 10 }]);
    assert.deepEqual(parseRange('bytes=5-'), [{ start: 5 }]);
    assert.deepEqual(parseRange('bytes=-5'), [{ suffix: 5 }]);
    assert.deepEqual(parseRange('Bytes= 0-0 ,, 2-3 '), [
      { start: 0, end: 1 },
      { start: 2, end: 4 },
    ]);
  });

  it('is ignored where it is malformed', () => {
    for (const header of [
      'bytes=',
      'bytes',
      'items=0-1',
      'bytes=a-b',
      'bytes=9-5',
      'bytes=-',
      'bytes=1',
      'bytes=1-2-3',
      'bytes=--5',
      'bytes=0x1-2',
      'bytes=1 -2',
      'bytes=+1-2',
      'bytes=0-1,x',
    ]) {
      assert.equal(parseRange(header), undefined, header);
    }
    assert.equal(parseRange(undefined), undefined);
  });

  it('is ignored where it asks for more than 1024 ranges', () => {
    const many = (count: number) =>
      `bytes=${Array.from({ length: count }, (_, i) => `${i * 2}-${i * 2}`).join(',')}`;
    assert.equal(parseRange(many(1024))?.length, 1024);
    assert.equal(parseRange(many(1025)), undefined);
  });
});

describe('a plan for a size', () => {
  it('cuts at the end and counts from it', () => {
    assert.deepEqual(plan('bytes=5-99', 10), { kind: 'single', range: { start: 5, end: 10 } });
    assert.deepEqual(plan('bytes=-3', 10), { kind: 'single', range: { start: 7, end: 10 } });
    assert.deepEqual(plan('bytes=-30', 10), { kind: 'single', range: { start: 0, end: 10 } });
    assert.deepEqual(plan('bytes=0-99999999999999999999', 10), {
      kind: 'single',
      range: { start: 0, end: 10 },
    });
  });

  it('is unsatisfiable only when nothing is left', () => {
    assert.deepEqual(plan('bytes=10-', 10), { kind: 'unsatisfiable' });
    assert.deepEqual(plan('bytes=-0', 10), { kind: 'unsatisfiable' });
    assert.deepEqual(plan('bytes=99999999999999999999-', 10), { kind: 'unsatisfiable' });
    assert.deepEqual(plan('bytes=10-11,2-3', 10), { kind: 'single', range: { start: 2, end: 4 } });
  });

  it('keeps the order of several, and gives the whole when they overlap', () => {
    assert.deepEqual(plan('bytes=6-7,0-1', 10), {
      kind: 'multiple',
      ranges: [
        { start: 6, end: 8 },
        { start: 0, end: 2 },
      ],
    });
    assert.deepEqual(plan('bytes=0-1,2-3', 10).kind, 'multiple');
    assert.deepEqual(plan('bytes=0-5,5-7', 10), { kind: 'whole' });
    assert.deepEqual(plan('bytes=0-,0-,0-', 10), { kind: 'whole' });
  });

  it('is the whole of what is empty or of unknown size', () => {
    assert.deepEqual(plan('bytes=0-', 0), { kind: 'whole' });
    assert.deepEqual(planRanges([{ start: 1 }], undefined), { kind: 'whole' });
  });

  it('never leaves the content, for any header', () => {
    const text = fc.stringMatching(/^[0-9,= -]{0,30}$/);
    fc.assert(
      fc.property(text, fc.nat(40), (specs, size) => {
        const planned = plan(`bytes=${specs}`, size);
        const ranges =
          planned.kind === 'single' ? [planned.range] : planned.kind === 'multiple' ? planned.ranges : [];
        let total = 0;
        for (const { start, end } of ranges) {
          assert.ok(0 <= start && start < end && end <= size);
          total += end - start;
        }
        assert.ok(total <= size);
      }),
      { numRuns: 3000 },
    );
  });
});
