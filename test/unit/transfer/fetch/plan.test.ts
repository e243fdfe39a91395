/** What is fetched next, held against the same rules told byte by byte: every situation of a five-byte blob. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type FetchUnderWay,
  fetchEnd,
  nextPiece,
  planFetch,
  requestedEndFor,
} from '../../../../src/transfer/fetch/plan.ts';
import { RangeSet } from '../../../../src/transfer/file/range-set.ts';

const size = 5;

function setOf(bits: number): RangeSet {
  const set = new RangeSet();
  for (let at = 0; at < size; at++) if (bits & (1 << at)) set.add(at, at + 1);
  return set;
}

/** Byte by byte: the first place where the rules say stop. */
function endByRules(
  isHere: (at: number) => boolean,
  position: number,
  limits: readonly number[],
  refetchThreshold: number,
): number | undefined {
  const limit = Math.min(...limits);
  const last = Number.isFinite(limit) ? limit : size;
  for (let at = position; at < last; at++) {
    if (!isHere(at) || isHere(at - 1)) continue;
    let end = at;
    while (isHere(end)) end += 1;
    if (end - at > refetchThreshold || end >= limit) return at;
  }
  return Number.isFinite(limit) ? limit : undefined;
}

describe('a fetch', () => {
  it('ends where the rules say, in every situation', () => {
    let situations = 0;
    for (let bits = 0; bits < 1 << size; bits++) {
      const present = setOf(bits);
      const isHere = (at: number): boolean => present.has(at);
      for (let position = 0; position <= size; position++) {
        for (const asked of [undefined, 1, 3, 5]) {
          if (asked !== undefined && asked < position) continue;
          for (const known of [undefined, size]) {
            for (const other of [undefined, 0, 2, 4]) {
              for (const refetchThreshold of [0, 1, 2, Number.POSITIVE_INFINITY]) {
                situations += 1;
                const limits = [asked ?? Infinity, known ?? Infinity];
                if (other !== undefined && other > position) limits.push(other);
                const fetches = other === undefined ? [] : [{ start: other }];
                assert.equal(
                  fetchEnd({ present, size: known, fetches }, position, asked, refetchThreshold),
                  endByRules(isHere, position, limits, refetchThreshold),
                  JSON.stringify({ bits, position, asked, known, other, refetchThreshold }),
                );
              }
            }
          }
        }
      }
    }
    assert.ok(situations > 15_000);
  });
});

describe('a wanted byte', () => {
  const fetch = (position: number, end: number | undefined): FetchUnderWay => ({ start: 0, position, end });
  const nothing = new RangeSet();

  it('that is here is not fetched', () => {
    const present = new RangeSet([{ start: 3, end: 9 }]);
    assert.equal(planFetch({ present, fetches: [], size, ranges: true }, 3, 0), 'present');
    assert.equal(planFetch({ present, fetches: [], size, ranges: true }, 9, 0), 'fetch');
  });

  it('is waited for where a fetch is near enough before it, and will come so far', () => {
    const plan = (from: number, end: number | undefined, wanted: number, ranges = true) =>
      planFetch({ present: nothing, fetches: [fetch(from, end)], size: undefined, ranges }, wanted, 100);
    assert.equal(plan(50, undefined, 50), 'wait');
    assert.equal(plan(50, undefined, 150), 'wait');
    assert.equal(plan(50, undefined, 151), 'fetch', 'too far');
    assert.equal(plan(50, 120, 119), 'wait');
    assert.equal(plan(50, 120, 120), 'fetch', 'it ends before');
    assert.equal(plan(50, undefined, 49), 'fetch', 'it is past it');
    assert.equal(plan(50, undefined, 99_999, false), 'wait', 'no endpoint gives ranges');
  });
});

describe('the place for one more fetcher', () => {
  const situation = fc.record({
    present: fc.array(fc.tuple(fc.nat(100), fc.nat(20)), { maxLength: 6 }),
    fetches: fc.array(fc.tuple(fc.nat(99), fc.nat(60)), { maxLength: 4 }),
    piece: fc.integer({ min: 1, max: 30 }),
  });

  it('is a byte that no fetch brings, else one that leaves a whole piece to either side', () => {
    fc.assert(
      fc.property(situation, ({ present: ranges, fetches: drawn, piece }) => {
        const blob = 100;
        const present = new RangeSet(
          ranges.map(([start, length]) => ({ start, end: Math.min(blob, start + length) })),
        );
        const starts = [...new Set(drawn.map(([start]) => start))].filter((start) => !present.has(start));
        const fetches = starts.map((position): FetchUnderWay => {
          const others = starts.filter((start) => start !== position).map((start) => ({ start }));
          const end = fetchEnd({ present, size: blob, fetches: others }, position, undefined, 0);
          return { start: position, position, end };
        });
        const brings = (at: number): FetchUnderWay | undefined =>
          fetches.find(({ position, end }) => position <= at && at < (end ?? blob));
        const found = nextPiece({ present, fetches, size: blob, ranges: true }, piece);
        const uncovered = Array.from({ length: blob }, (_, at) => at).filter(
          (at) => !present.has(at) && !brings(at),
        );
        if (uncovered.length > 0) {
          assert.equal(found, uncovered[0]);
        } else if (found !== undefined) {
          const split = brings(found);
          assert.ok(split && !present.has(found));
          assert.ok(found - split.position >= piece, 'a piece is left to the one before');
          assert.ok((split.end ?? blob) - found >= piece, 'and one for the new one');
        } else {
          for (const { position, end } of fetches) assert.ok((end ?? blob) - position < 2 * piece);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is nowhere while the size is unknown or no endpoint gives ranges', () => {
    const present = new RangeSet();
    assert.equal(nextPiece({ present, fetches: [], size: undefined, ranges: true }, 10), undefined);
    assert.equal(nextPiece({ present, fetches: [], size: 100, ranges: false }, 10), undefined);
    assert.equal(nextPiece({ present, fetches: [], size: 100, ranges: true }, 10), 0);
  });
});

describe('how far a reader is fetched for', () => {
  const size = 1000;
  const piece = 10;

  it('is as far as it asks, where it says so or begins at the front', () => {
    assert.equal(requestedEndFor({ start: 5, end: 500 }, 5, size, piece), 500);
    assert.equal(requestedEndFor({ start: 0, end: undefined }, 70, size, piece), undefined);
    assert.equal(requestedEndFor({ start: 0, end: size }, 70, size, piece), size);
  });

  it('grows in steps where it begins in the middle and may close early', () => {
    for (const end of [undefined, size]) {
      assert.equal(requestedEndFor({ start: 100, end }, 100, size, piece), 110);
      assert.equal(requestedEndFor({ start: 100, end }, 110, size, piece), 120);
      assert.equal(requestedEndFor({ start: 100, end }, 120, size, piece), 140);
      assert.equal(requestedEndFor({ start: 100, end }, 140, size, piece), 180);
    }
    assert.equal(requestedEndFor({ start: 100, end: size }, 900, size, piece), size);
  });
});
