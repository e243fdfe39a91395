import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFormat } from '../../../src/dashboard/parts/format.ts';
import { en } from '../../../src/dashboard/texts/en.ts';

const { count, bytes, share, duration, since, time } = createFormat(en.format);

describe('numbers and times of the dashboard', () => {
  it('group thousands', () => assert.equal(count(1_234_567), '1,234,567'));

  it('show sizes with three digits that count, in the unit below a thousand', () => {
    const sizes = [0, 1, 999, 1023, 1024, 1536, 10_240, 1_047_527, 1024 ** 3, 1.4 * 1024 ** 4, 5e18];
    assert.deepEqual(sizes.map(bytes), [
      ...['0 B', '1 B', '999 B', '1,023 B', '1 KiB', '1.5 KiB', '10 KiB', '1,023 KiB'],
      ...['1 GiB', '1.4 TiB', '4,441 PiB'],
    ]);
  });

  it('show a share of nothing as a dash', () => {
    assert.deepEqual([share(1, 3), share(3, 3), share(0, 0)], ['33.3 %', '100.0 %', '–']);
  });

  it('show durations in the largest unit that fits', () => {
    const all = [0, 230, 1000, 4230, 59_999, 60_000, 7_200_000, 86_400_000, 200_000_000];
    assert.deepEqual(all.map(duration), [
      ...['0 ms', '230 ms', '1 s', '4.2 s', '59 s', '1 min', '2 h', '24 h', '2 d'],
    ]);
  });

  it('say how far a time is away', () => {
    assert.deepEqual([since(0, 90_000), since(90_000, 0), since(10, 20)], ['1 min ago', 'in 1 min', 'now']);
  });

  it('write times in UTC', () => assert.equal(time(Date.UTC(2026, 0, 2, 3, 4, 5)), '2026-01-02 03:04:05'));
});
