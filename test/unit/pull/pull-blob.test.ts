import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cache } from '../../../src/cache/cache.ts';
import { createPullBlob } from '../../../src/pull/pull-blob.ts';
import type { BlobTarget } from '../../../src/routing/target.ts';
import type { Transfers } from '../../../src/transfer/transfers.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { createUpstreamInForce } from '../../../src/upstream/upstream-in-force.ts';
import { blobOf } from '../../support/byte-source.ts';
import { createManualClock } from '../../support/clock.ts';

test('a transfer is let go when it cannot be found out whether the image may have the blob', async () => {
  const { digest } = blobOf('x');
  let open = 0;
  const cache: Partial<Cache> = {
    open: async () => undefined,
    find: async () => ({ content: undefined, linked: false, described: undefined }),
  };
  // All of it was left by an earlier run: nobody is asked for bytes.
  const transfers: Partial<Transfers> = {
    couldJoin: () => false,
    announcedSizeTo: () => undefined,
    async open() {
      open += 1;
      const close = () => {
        open -= 1;
      };
      const reader = () => assert.fail('not read');
      const fill = () => assert.fail('not filled');
      return { ok: true, how: 'started', size: 1, endpoint: undefined, trail: [], reader, fill, close };
    },
  };
  const upstream: Partial<Upstream> = {
    endpoints: () => [],
    isInBucket: async () => false,
    headBlob: () => Promise.reject(new Error('the configuration makes no valid name of it')),
  };
  const { get } = createPullBlob({
    cache: cache as Cache,
    inForce: createUpstreamInForce(() => upstream as Upstream),
    transfers: transfers as Transfers,
    clock: createManualClock(),
    absences: { get: () => undefined, has: () => false, add() {}, forget() {} },
    headersBy: 1000,
  });
  const image = { name: 'a.test/app', registry: 'a.test', repository: 'app' } as BlobTarget['image'];
  await assert.rejects(get({ kind: 'blob', image, digest }), /no valid name/);
  assert.equal(open, 0);
});
