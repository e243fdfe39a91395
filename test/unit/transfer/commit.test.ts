import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Reservation } from '../../../src/cache/cache.ts';
import { BlobSize } from '../../../src/transfer/blob-size.ts';
import { Commit, type CommitDeps } from '../../../src/transfer/commit.ts';
import { RangeSet } from '../../../src/transfer/file/range-set.ts';
import { defaultLimits } from '../../../src/transfer/limits.ts';
import { ReservedCapacity } from '../../../src/transfer/reserved-capacity.ts';
import { digestOf } from '../../support/transfer-bench.ts';

const digest = digestOf(Buffer.from('a blob'));
const size = 100;

interface Steps {
  readonly steps: string[];
  readonly commit: Commit;
}

/** A blob whose ranges are still being saved when it is committed. */
function blobOf(deps: Partial<CommitDeps> = {}): Steps {
  const steps: string[] = [];
  const present = new RangeSet([{ start: 0, end: size }]);
  const commit = new Commit(
    {
      digest,
      size: new BlobSize(digest, size, undefined),
      contributors: { blame: () => steps.push('blamed'), known: new Map() },
      file: {
        path: 'a file',
        present,
        written: present,
        digest: async () => 'ff',
        moved: () => steps.push('moved'),
        remove: () => steps.push('removed'),
        get saving() {
          steps.push('waits for the save');
          return new Promise<void>(() => {});
        },
      },
    },
    {
      limits: defaultLimits,
      log: { debug() {}, info() {}, warn() {}, error: () => steps.push('logged') },
      metrics: { received() {}, transferRead() {}, transferEnded: (how) => steps.push(how) },
      contributorMemory: { keep: (path) => steps.push(`remembered ${path}`), take: () => undefined },
      partialDownloads: { add() {}, hold() {}, forget: (path) => steps.push(`forgot ${path}`) },
      reserve: () => ({ release: () => steps.push('released') }),
      commit: async () => void steps.push('counted as content'),
      keeps: undefined,
      ...deps,
    },
  );
  return { steps, commit };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a blob on its way into the store', () => {
  it('is left to the next transfer with the contributors of its bytes', () => {
    const { steps, commit } = blobOf();
    commit.leave();
    assert.deepEqual(steps, ['failed', 'remembered a file']);
  });

  it('is not counted twice, as content and as what an earlier run left, while its ranges are being saved', async () => {
    const { steps, commit } = blobOf();
    await commit.reserve(['a/b']);
    void commit.store(size, false);
    await settle();
    assert.deepEqual(steps, [
      'counted as content',
      'forgot a file',
      'moved',
      'released',
      'stored',
      'waits for the save',
    ]);
  });

  it('is removed and counts no more where the store cannot take it', async () => {
    const { steps, commit } = blobOf({ commit: () => Promise.reject(new Error('ENOSPC')) });
    void commit.store(size, false);
    await settle();
    assert.deepEqual(steps, ['logged', 'removed', 'forgot a file', 'relayed', 'waits for the save']);
  });

  it('is passed on and removed where another replica keeps it, unless it is wanted here', async () => {
    const passedOn = blobOf({ keeps: () => false });
    void passedOn.commit.store(size, false);
    const wanted = blobOf({ keeps: () => false });
    void wanted.commit.store(size, true);
    await settle();
    assert.deepEqual(passedOn.steps, ['removed', 'forgot a file', 'relayed', 'waits for the save']);
    assert.equal(wanted.steps[0], 'counted as content');
  });

  it('is given up after as many wrong digests as the limits allow', async () => {
    const { commit } = blobOf();
    assert.equal(await commit.isRight(size), false);
    for (let attempt = 1; attempt < defaultLimits.attempts; attempt++) commit.reject();
    assert.equal(commit.isGivenUp, false);
    commit.reject();
    assert.equal(commit.isGivenUp, true);
  });
});

describe('a reservation that takes its time', () => {
  function slow() {
    const asked: { bytes: number; answer(reservation: Reservation | undefined): void }[] = [];
    const written = new RangeSet();
    const capacity = new ReservedCapacity(
      { reserve: (bytes) => new Promise((answer) => asked.push({ bytes, answer })) },
      { written },
    );
    return { asked, capacity };
  }

  it('is asked for once, for all that wait', async () => {
    const { asked, capacity } = slow();
    const both = Promise.all([capacity.take(size, []), capacity.take(size, [])]);
    assert.deepEqual(
      asked.map(({ bytes }) => bytes),
      [size],
    );
    asked[0]?.answer({ release() {} });
    assert.deepEqual(await both, [true, true]);
  });

  it('is asked for again after it was refused', async () => {
    const { asked, capacity } = slow();
    const refused = capacity.take(size, []);
    asked[0]?.answer(undefined);
    assert.equal(await refused, false);
    void capacity.take(size, []);
    assert.equal(asked.length, 2);
  });

  it('is given back on arrival where it was released meanwhile', async () => {
    const { asked, capacity } = slow();
    const held = new Set<string>();
    const reservation = (name: string): Reservation => {
      held.add(name);
      return { release: () => held.delete(name) };
    };
    const first = capacity.take(size, []);
    capacity.release();
    const second = capacity.take(2 * size, []);
    asked[1]?.answer(reservation('second'));
    asked[0]?.answer(reservation('first'));
    await Promise.all([first, second]);
    assert.deepEqual([...held], ['second']);
    capacity.release();
    assert.equal(held.size, 0);
  });
});
