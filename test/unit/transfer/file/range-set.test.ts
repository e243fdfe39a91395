/** The range set against the obvious model, one truth value for each byte: all short histories, and many long ones. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RangeSet } from '../../../../src/transfer/file/range-set.ts';

class Model {
  readonly #bytes: boolean[];

  constructor(size: number) {
    this.#bytes = Array.from({ length: size }, () => false);
  }

  add(start: number, end: number): void {
    for (let at = start; at < end; at++) this.#bytes[at] = true;
  }

  has(offset: number): boolean {
    return this.#bytes[offset] ?? false;
  }

  runEnd(offset: number): number {
    let end = offset;
    while (this.has(end)) end += 1;
    return end;
  }

  ranges(): [number, number][] {
    const ranges: [number, number][] = [];
    for (let at = 0; at < this.#bytes.length; at++) {
      if (this.has(at) && !this.has(at - 1)) ranges.push([at, this.runEnd(at)]);
    }
    return ranges;
  }

  nextRange(offset: number): { start: number; end: number } | undefined {
    const found = this.ranges().find(([start]) => start >= offset);
    return found && { start: found[0], end: found[1] };
  }

  get bytes(): number {
    return this.#bytes.filter(Boolean).length;
  }
}

function agree(set: RangeSet, model: Model, size: number): void {
  assert.deepEqual(set.toJSON(), model.ranges());
  assert.deepEqual(
    [...set].map(({ start, end }) => [start, end]),
    model.ranges(),
  );
  assert.equal(set.bytes, model.bytes);
  for (let offset = 0; offset <= size + 1; offset++) {
    assert.equal(set.has(offset), model.has(offset), `has ${offset}`);
    assert.equal(set.runEnd(offset), model.runEnd(offset), `runEnd ${offset}`);
    assert.equal(set.firstHole(offset), model.runEnd(offset), `firstHole ${offset}`);
    const next = set.nextRange(offset);
    assert.deepEqual(next && { start: next.start, end: next.end }, model.nextRange(offset));
    for (let end = offset; end <= size + 1; end++) {
      assert.equal(set.covers(offset, end), model.runEnd(offset) >= end, `covers ${offset} to ${end}`);
    }
  }
}

describe('a range set', () => {
  it('agrees with the model after every history of three additions within six bytes', () => {
    const size = 6;
    const additions: [number, number][] = [];
    for (let start = 0; start <= size; start++) {
      for (let end = start; end <= size; end++) additions.push([start, end]);
    }
    for (const first of additions) {
      for (const second of additions) {
        for (const third of additions) {
          const set = new RangeSet();
          const model = new Model(size);
          for (const [start, end] of [first, second, third]) {
            set.add(start, end);
            model.add(start, end);
          }
          assert.deepEqual(set.toJSON(), model.ranges());
        }
        const set = new RangeSet([first, second].map(([start, end]) => ({ start, end })));
        const model = new Model(size);
        model.add(...first);
        model.add(...second);
        agree(set, model, size);
      }
    }
  });

  it('agrees with the model after long histories', () => {
    const size = 60;
    const addition = fc.tuple(fc.integer({ min: 0, max: size }), fc.integer({ min: -2, max: 12 }));
    fc.assert(
      fc.property(fc.array(addition, { maxLength: 40 }), (additions) => {
        const set = new RangeSet();
        const model = new Model(size);
        for (const [start, length] of additions) {
          const end = Math.min(size, start + length);
          set.add(start, end);
          model.add(start, end);
        }
        agree(set, model, size);
      }),
      { numRuns: 150 },
    );
  });

  it('shares nothing with its copy', () => {
    const set = new RangeSet([{ start: 0, end: 5 }]);
    const copy = set.copy();
    set.add(3, 9);
    copy.add(20, 21);
    assert.deepEqual(set.toJSON(), [[0, 9]]);
    assert.deepEqual(copy.toJSON(), [
      [0, 5],
      [20, 21],
    ]);
    set.clear();
    assert.equal(set.bytes, 0);
    assert.equal(copy.bytes, 6);
  });

  it('stays one range for a blob that is read from front to back', () => {
    const set = new RangeSet();
    for (let at = 0; at < 10_000; at += 7) set.add(at, at + 7);
    assert.equal(set.toJSON().length, 1);
  });
});
