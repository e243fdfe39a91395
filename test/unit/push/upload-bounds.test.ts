import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { boundUploads, maxUploads, maxUploadsPerOwner } from '../../../src/push/upload-bounds.ts';
import type { UploadSession } from '../../../src/push/upload-session.ts';

const now = 1_700_000_000_000;

function sessions(count: number, owner: (at: number) => string, touched = now): UploadSession[] {
  return Array.from({ length: count }, (_, at) => {
    const session = { facts: { owner: owner(at) }, isBusy: false, touched: touched + at };
    return session as unknown as UploadSession;
  });
}

describe('upload sessions', () => {
  it('are bounded for each owner: the next one is refused while all are in use', () => {
    const own = sessions(maxUploadsPerOwner, () => 'user:a');
    assert.deepEqual(boundUploads(own.slice(1), 'user:a', now), {});
    const { refused } = boundUploads(own, 'user:a', now);
    assert.deepEqual(refused, { kind: 'tooManyUploads', limit: maxUploadsPerOwner, isOwn: true });
    assert.deepEqual(boundUploads(own, 'user:b', now), {}, 'another owner is not concerned');
  });

  it('are bounded in all: ten thousand open ones of many owners cannot come to be', () => {
    let all: UploadSession[] = [];
    for (let at = 0; at < 10_000; at += 1) {
      const owner = `user:${at}`;
      const bound = boundUploads(all, owner, now);
      assert.equal(bound.givesWay, undefined);
      if (!bound.refused) all = [...all, ...sessions(1, () => owner)];
    }
    assert.equal(all.length, maxUploads);
  });

  it('give way to a new one after ten minutes without a byte, the oldest first, and never while bytes come', () => {
    const old = sessions(maxUploadsPerOwner, () => 'user:a', now - 3_600_000);
    const [first, second] = old;
    assert.equal(boundUploads(old, 'user:a', now).givesWay, first);
    Object.assign(first!, { isBusy: true });
    assert.equal(boundUploads(old, 'user:a', now).givesWay, second);
  });
});
