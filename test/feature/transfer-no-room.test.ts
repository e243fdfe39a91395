/**
 * A disk that is full, broken or closed to us is our trouble and not the client's: every byte is passed on, nothing half
 * is kept, one line says so, and when there is room again the next request is kept as if nothing had been.
 */
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync, writev } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { WriteVector } from '../../src/transfer/file/file-writer.ts';
import { generateBlob } from '../support/byte-source.ts';
import {
  type ColdBlobs,
  inSocketBuffers,
  MiB,
  offer,
  pullWhole,
  restOf,
  startColdBlobs,
} from '../support/cold-blobs.ts';
import { eventually } from '../support/eventually.ts';
import { corruptAt, rate, stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { get, open } from '../support/http-client.ts';
import { skipFor } from '../support/missing.ts';
import { smallDisk } from '../support/small-disk.ts';

/** A disk that takes `room` bytes and then fails with `code`, a part of the last write included, until it is mended. */
function failingDisk(code: string, room: number): { writev: WriteVector; mend(): void } {
  let left = room;
  return {
    writev(fd, buffers, position, done) {
      const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      if (left <= 0) {
        setImmediate(done, Object.assign(new Error(`${code}: it fails`), { code }), 0);
      } else if (left < bytes) {
        const part = Buffer.concat(buffers).subarray(0, left);
        left = 0;
        writev(fd, [part], position, done);
      } else {
        left -= bytes;
        writev(fd, buffers, position, done);
      }
    },
    mend() {
      left = Number.POSITIVE_INFINITY;
    },
  };
}

function relayLines(site: Pick<ColdBlobs, 'proxy'>): Record<string, unknown>[] {
  return site.proxy.log.filter(({ msg }) => msg === 'a blob is passed on without being kept');
}

describe('a disk that fails during a fill', () => {
  for (const code of ['ENOSPC', 'EDQUOT', 'EIO', 'EACCES']) {
    it(`with ${code} costs no client a byte, and is written to again when it works`, async (t) => {
      const blob = generateBlob(8 * MiB, code);
      const disk = failingDisk(code, 2.5 * MiB);
      const site = await startColdBlobs(t, { deps: { writev: disk.writev } });
      const [registry] = site.registries;
      assert.ok(registry);
      offer(site.registries, blob);
      const held = gate();
      // All four have come before the disk fails: it is the middle of their answers.
      registry.on({ kind: 'blob', times: 1 }, stallAfter(2 * MiB, held));
      const url = site.url(blob.digest);
      const wholes = await Promise.all([open(url), open(url)]);
      const ranges = await Promise.all(
        [[1 * MiB], [MiB, 7 * MiB]].map(([start, end]) =>
          open(url, { headers: { range: `bytes=${start}-${end === undefined ? '' : end - 1}` } }),
        ),
      );
      await held.arrived;
      held.release();
      await Promise.all([
        ...wholes.map((answer) => restOf(answer, blob)),
        ...ranges.map((answer, index) => restOf(answer, blob, MiB, index === 0 ? blob.size : 7 * MiB)),
      ]);

      await site.tidy();
      assert.equal(relayLines(site).length, 1);
      assert.match(String(relayLines(site)[0]?.reason), new RegExp(code));
      assert.equal(await site.metric('entrepot_transfers_total{how="relayed"}'), 1);
      assert.equal(await site.metric('entrepot_transfers_total{how="stored"}'), 0);

      disk.mend();
      await eventually(
        'the readers are gone',
        async () => (await site.metric('entrepot_transfers_in_flight')) === 0,
      );
      assert.equal((await pullWhole(url, blob)).cache, 'fetched');
      await site.stored(blob.digest);
      assert.equal((await pullWhole(url, blob)).cache, 'hit');
    });
  }

  it('never lets a wrong body past it either', async (t) => {
    const blob = generateBlob(4 * MiB, 'no room for lies');
    const site = await startColdBlobs(t, { deps: { writev: failingDisk('ENOSPC', MiB).writev } });
    offer(site.registries, blob);
    site.registries[0]?.on({ kind: 'blob', times: 2 }, corruptAt(3 * MiB));
    const answer = await get(site.url(blob.digest));
    assert.equal(answer.complete, false);
    await eventually('that is over', async () => (await site.metric('entrepot_transfers_in_flight')) === 0);
    await pullWhole(site.url(blob.digest), blob);
  });
});

describe('an incoming folder that cannot be written to', () => {
  it('costs no client a byte', async (t) => {
    const blob = generateBlob(3 * MiB, 'no folder');
    const site = await startColdBlobs(t);
    offer(site.registries, blob);
    const incoming = join(site.proxy.data, 'incoming');
    rmSync(incoming, { recursive: true });
    writeFileSync(incoming, 'a file where the folder should be');
    await pullWhole(site.url(blob.digest), blob);
    assert.equal(relayLines(site).length, 1);
    rmSync(incoming);
    mkdirSync(incoming);
    await eventually('that is over', async () => (await site.metric('entrepot_transfers_in_flight')) === 0);
    await pullWhole(site.url(blob.digest), blob);
    await site.stored(blob.digest);
  });
});

describe('a blob larger than cache.max_size', () => {
  it('is passed on and not kept, and costs one line each time', async (t) => {
    const blob = generateBlob(6 * MiB, 'large');
    const small = generateBlob(2 * MiB, 'small');
    const site = await startColdBlobs(t, { toml: '[cache]\nmax_size = "4MiB"\n' });
    offer(site.registries, blob);
    offer(site.registries, small);
    await pullWhole(site.url(small.digest), small);
    await site.stored(small.digest);
    await pullWhole(site.url(blob.digest), blob);
    await site.tidy();
    assert.equal(relayLines(site).length, 1);
    assert.equal(await site.metric('entrepot_transfers_total{how="relayed"}'), 1);
    // What was there stays: it could not have made enough room.
    assert.equal((await pullWhole(site.url(small.digest), small)).cache, 'hit');
    assert.ok(site.sent(blob.digest) <= 2 * blob.size + inSocketBuffers);
  });
});

describe('a small file system', () => {
  it('that fills up costs no client a byte, and serves what it has', async (t) => {
    const disk = smallDisk(t, 8);
    if (!disk) {
      skipFor(t, 'mounting a tmpfs needs root');
      return;
    }
    const blob = generateBlob(12 * MiB, 'too large for it');
    const small = generateBlob(2 * MiB, 'fits');
    // Without a margin, so that the disk is what refuses.
    const site = await startColdBlobs(t, {
      folder: disk.path,
      toml: '[cache]\nmin_free = "0"\n',
      deps: { freeBytes: () => 1024 * MiB },
    });
    offer(site.registries, blob);
    offer(site.registries, small);
    site.registries[0]?.on({ kind: 'blob' }, rate(100_000_000));
    await pullWhole(site.url(small.digest), small);
    await site.stored(small.digest);
    await Promise.all([1, 2, 3].map(() => pullWhole(site.url(blob.digest), blob)));
    assert.equal(relayLines(site).length, 1);
    assert.match(String(relayLines(site)[0]?.reason), /ENOSPC/);
    await site.tidy();
    assert.equal((await pullWhole(site.url(small.digest), small)).cache, 'hit');
  });
});
