import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackgroundScrub } from '../../../src/admin/background-scrub.ts';
import type { ScrubReport, ScrubRun } from '../../../src/admin/scrubs.ts';
import { pause } from '../../../src/lib/flow/pause.ts';
import { createManualClock } from '../../support/clock.ts';

const hour = 3_600_000;
/** The slot of an hour in which the clock starts. */
const first = Date.UTC(2026, 0, 1) / hour;
const pass = { every: 256 * hour, rate: 1000 };

/** `takes`: ms for each folder, by the clock. */
function background(takes: () => number = () => 0) {
  const clock = createManualClock();
  const begun: { folder: number; at: number; rate: number | undefined }[] = [];
  const ended: number[] = [];
  const run = async ({ folders = [], rate, signal }: ScrubRun): Promise<ScrubReport> => {
    const [folder = -1] = folders;
    begun.push({ folder, at: clock.monotonic() / hour, rate });
    const ms = takes();
    if (ms > 0 && signal) await pause(clock, ms, signal);
    if (ms < 0) throw new Error('the disk is on fire');
    ended.push(folder);
    return { checked: 0, bytes: 0, damaged: [], unreadable: [] };
  };
  const errors: object[] = [];
  const log = { debug: () => {}, error: (fields: object) => void errors.push(fields) };
  const scrub = createBackgroundScrub({ scrubs: { run }, clock, log });
  const slots = () => begun.map(({ folder, at }) => [(folder - (first % 256) + 256) % 256, at]);
  return { clock, scrub, begun, ended, errors, slots };
}

test('each folder is taken in its slot, all of them in one period, and then again', async () => {
  const { clock, scrub, slots, begun } = background();
  scrub.configure(pass);
  await clock.advance(257 * hour);
  assert.deepEqual(
    slots(),
    Array.from({ length: 258 }, (_, n) => [n % 256, n]),
  );
  assert.equal(new Set(begun.slice(0, 256).map(({ folder }) => folder)).size, 256);
  assert.equal(begun[0]?.rate, 1000);
});

test('a start in the middle of a slot takes its folder, and the next one when that is due', async () => {
  const { clock, scrub, slots } = background();
  await clock.advance(hour / 4);
  scrub.configure(pass);
  await clock.advance(hour);
  assert.deepEqual(slots(), [
    [0, 0.25],
    [1, 1],
  ]);
});

test('when a folder takes longer than its slot the next ones follow at once, and none is left out', async () => {
  const lasting = [2.5 * hour, 0.25 * hour, 0.25 * hour];
  const { clock, scrub, slots } = background(() => lasting.shift() ?? 1);
  scrub.configure(pass);
  await clock.advance(4.5 * hour);
  assert.deepEqual(slots(), [
    [0, 0],
    [1, 2.5],
    [2, 2.75],
    [3, 3],
    [4, 4],
  ]);
});

test('a folder that fails is told of, and keeps no other one from its turn', async () => {
  let times = 0;
  const { clock, scrub, errors, slots } = background(() => {
    times += 1;
    return times === 1 ? -1 : 0;
  });
  scrub.configure(pass);
  await clock.advance(hour);
  assert.equal(errors.length, 1);
  assert.deepEqual(slots(), [
    [0, 0],
    [1, 1],
  ]);
});

test('other settings end what runs and hold from then on; the same ones change nothing', async () => {
  const { clock, scrub, begun } = background(() => hour / 2);
  scrub.configure(pass);
  await clock.advance(1000);
  scrub.configure({ ...pass });
  assert.equal(begun.length, 1);
  scrub.configure({ ...pass, rate: 5 });
  assert.deepEqual(
    begun.map(({ rate }) => rate),
    [1000, 5],
  );
  await clock.advance(1000);
  scrub.configure({ every: undefined, rate: 5 });
  await clock.advance(300 * hour);
  assert.equal(begun.length, 2);
  assert.deepEqual(clock.pending, []);
});

test('without a period nothing is done, and a stop ends all', async () => {
  const { clock, scrub, begun } = background();
  scrub.configure({ every: undefined, rate: 1000 });
  await clock.advance(300 * hour);
  assert.equal(begun.length, 0);
  scrub.configure(pass);
  await clock.advance(1);
  scrub.stop();
  scrub.configure({ ...pass, rate: 1 });
  await clock.advance(300 * hour);
  assert.equal(begun.length, 1);
  assert.deepEqual(clock.pending, []);
});
