/** A clock that is set while a tag is on its way out. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../../../src/oci/digest.ts';
import { changeBy, letsGo } from '../../../src/replication/removal/gone-tags.ts';

const grace = 7 * 24 * 3_600_000;
const block = { removal: { grace, most: { share: 0.1 } } };
const digest = `sha256:${'a'.repeat(64)}` as Digest;
const now = Date.UTC(2026, 0, 1);
const year = 365 * 24 * 3_600_000;

/** What is known of `old` after listings without it at these times. */
function goneAt(times: readonly number[], losesNothing = false) {
  const seen = {
    selected: new Map([['1', digest]]),
    unlisted: new Map([['old', digest]]),
    hosted: new Set<string>(),
    losesNothing,
  };
  let known = [{ tag: '1', digest, gone: undefined as { since: number; listings: number } | undefined }];
  for (const time of times) {
    const { put } = changeBy(known, seen, time);
    known = [...known.filter(({ tag }) => !put.some((one) => one.tag === tag)), ...put].map((one) => ({
      ...one,
    }));
  }
  return known.find(({ tag }) => tag === 'old')?.gone;
}

test('a clock that is set a year forward spares no tag its second listing', () => {
  assert.equal(letsGo(goneAt([now]), block, now + year), false);
  assert.equal(letsGo(goneAt([now, now + grace]), block, now + grace), true);
});

test('a clock that is set back lets a tag go later, and not sooner', () => {
  const gone = goneAt([now + year, now, now]);
  assert.equal(letsGo(gone, block, now + grace), false);
  assert.equal(letsGo(gone, block, now + year + grace), true);
});

test('listings that events ask for make nothing gone, however many they are', () => {
  assert.equal(goneAt([now, now, now], true), undefined);
});
