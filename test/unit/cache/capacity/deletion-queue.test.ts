import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createDeletionQueue } from '../../../../src/cache/capacity/deletion-queue.ts';
import type { Digest } from '../../../../src/oci/digest.ts';
import { gate } from '../../../support/gate.ts';
import { digestOf } from '../data-folder-fixture.ts';

const MiB = 1024 * 1024;

/** A queue whose files are removed when the gate opens, and those whose removal has begun. */
function startHeld() {
  const hold = gate();
  const begun: Digest[] = [];
  const removals = createDeletionQueue({
    store: {
      async remove(digest) {
        begun.push(digest);
        await hold.pass();
      },
    },
    onError: (_, error) => assert.fail(String(error)),
  });
  const add = (name: string, size: number) =>
    removals.add(digestOf(Buffer.from(name)), size, async () => false);
  return { removals, hold, begun, add };
}

test('many small files go several at once: what comes in waits for them, and each takes a turn', async () => {
  const { removals, hold, begun, add } = startHeld();
  for (let n = 0; n < 100; n += 1) add(`small ${n}`, 1000);
  await turn();
  assert.equal(begun.length, 8);
  assert.equal(removals.bytes, 100_000);
  hold.release();
  await removals.idle();
  assert.equal(begun.length, 100);
  assert.equal(removals.bytes, 0);
});

test('large files go one at a time, and the small ones do not wait for them', async () => {
  const { removals, hold, begun, add } = startHeld();
  for (let n = 0; n < 4; n += 1) add(`large ${n}`, 100 * MiB);
  add('small', 1000);
  await turn();
  assert.deepEqual(begun, [digestOf(Buffer.from('large 0')), digestOf(Buffer.from('small'))]);
  hold.release();
  await removals.idle();
  assert.equal(begun.length, 5);
});

test('a hold keeps files, which are no space that comes free, until it narrows to others or ends', async () => {
  const { removals, hold, begun, add } = startHeld();
  hold.release();
  const [kept, other, later] = ['kept', 'other', 'later'].map((name) => digestOf(Buffer.from(name)));
  const files = removals.hold();
  add('kept', 1000);
  add('other', 1000);
  await removals.idle();
  assert.deepEqual([begun, removals.bytes, removals.has(kept!)], [[], 0, true]);
  files.narrow(new Set([kept!]));
  add('later', 1000);
  await removals.idle();
  assert.deepEqual(begun, [other, later]);
  files.release();
  await removals.idle();
  assert.deepEqual([begun, removals.has(kept!)], [[other, later, kept], false]);
});
