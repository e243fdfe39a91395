/**
 * A set of bytes as sorted, disjoint, non-touching ranges. Offsets are bytes; `end` is exclusive everywhere.
 * It stays small: a blob that is read from front to back has one range, whatever its size.
 */
import type { ByteRange } from '../../lib/bytes/byte-range.ts';

/** Lookups are binary searches; adding costs as much as the ranges behind the new one. */
export class RangeSet {
  #ranges: { start: number; end: number }[] = [];

  constructor(ranges: Iterable<ByteRange> = []) {
    for (const { start, end } of ranges) this.add(start, end);
  }

  /** Adds [start, end), joining what it touches. Empty ranges add nothing. */
  add(start: number, end: number): void {
    if (end <= start) return;
    const ranges = this.#ranges;
    const first = this.#firstEndingAtOrAfter(start);
    let last = first;
    for (let range = ranges[last]; range && range.start <= end; range = ranges[++last]) {
      if (range.start < start) start = range.start;
      if (range.end > end) end = range.end;
    }
    const only = ranges[first];
    if (only && last === first + 1) {
      only.start = start;
      only.end = end;
    } else {
      ranges.splice(first, last - first, { start, end });
    }
  }

  has(offset: number): boolean {
    return this.runEnd(offset) > offset;
  }

  /** Where the unbroken run that holds `offset` ends; `offset` itself where that byte is absent. */
  runEnd(offset: number): number {
    const range = this.#ranges[this.#firstEndingAtOrAfter(offset + 1)];
    return range && range.start <= offset ? range.end : offset;
  }

  /** The first range that starts at or after `offset`. */
  nextRange(offset: number): ByteRange | undefined {
    let index = this.#firstEndingAtOrAfter(offset + 1);
    const range = this.#ranges[index];
    if (range && range.start < offset) index += 1;
    return this.#ranges[index];
  }

  /** The first absent byte at or after `offset`. */
  firstHole(offset: number): number {
    return this.runEnd(offset);
  }

  covers(start: number, end: number): boolean {
    return end <= start || this.runEnd(start) >= end;
  }

  /** Number of bytes in the set. */
  get bytes(): number {
    let sum = 0;
    for (const range of this.#ranges) sum += range.end - range.start;
    return sum;
  }

  /** Offset after the last byte; 0 where there is none. */
  get end(): number {
    return this.#ranges.at(-1)?.end ?? 0;
  }

  clear(): void {
    this.#ranges = [];
  }

  copy(): RangeSet {
    return new RangeSet(this.#ranges);
  }

  /** As stored: `[[start, end], ...]`. */
  toJSON(): [number, number][] {
    return this.#ranges.map(({ start, end }) => [start, end]);
  }

  [Symbol.iterator](): Iterator<ByteRange> {
    return this.#ranges[Symbol.iterator]();
  }

  #firstEndingAtOrAfter(offset: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range && range.end < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
