/**
 * The power goes at every moment of a push, in all the ways in which a disk may lose what was not flushed. A push that was
 * acknowledged is there afterwards: its tag, its manifest, and its blobs. One that was not is there as a whole or not at all.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openCache } from '../../../src/cache/open-cache.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { cutEverywhere } from '../../support/power-cuts.ts';
import { recordDisk } from '../../support/recorded-disk.ts';
import {
  buffers,
  collectLog,
  dataFolder,
  digestOf,
  manifestOf,
  open,
  readAll,
  tagOf,
} from './data-folder-fixture.ts';

const ours = 'images.local/app';
const hosted = { hosted: true };

test('whenever the power goes, an acknowledged push is there, and no other is half visible', async (t) => {
  const data = dataFolder(t);
  const layers = ['first', 'second'].map((text) => Buffer.alloc(3000, `${text} layer `));
  const images = layers.map((bytes) => manifestOf([{ digest: digestOf(bytes), size: bytes.length }]));
  /** By image: the moment from which it is promised. */
  const promised: number[] = [];
  const disk = recordDisk(data);
  t.after(() => disk.stop());
  const cache = await open(t, data);
  for (const [n, bytes] of layers.entries()) {
    const file = join(cache.incoming.path, `upload-${n}`);
    writeFileSync(file, bytes);
    await cache.hosted.commitBlob(ours, digestOf(bytes), bytes.length, file, hosted);
    disk.logFlushed();
    await cache.hosted.putManifest(ours, images[n]!, [tagOf(`v${n}`)], hosted);
    disk.logFlushed();
    promised[n] = disk.moments - 1;
  }
  await cache.close();
  disk.stop();

  await cutEverywhere(
    t,
    disk,
    async (folder, moment) => {
      const options = { data: folder, maxSize: undefined, minFree: 0, quotas: [], pins: [] };
      const after = await openCache({ clock: systemClock, log: collectLog(), buffers }, options);
      try {
        await after.admin.reconciled;
        for (const [n, image] of images.entries()) {
          const tag = await after.tag(ours, tagOf(`v${n}`));
          if (!tag) {
            assert.ok(
              (promised[n] ?? Number.POSITIVE_INFINITY) > moment,
              `v${n} was acknowledged and is lost`,
            );
            continue;
          }
          assert.equal(tag.digest, image.digest);
          assert.equal(digestOf((await after.manifest(ours, tag.digest))!.bytes), image.digest);
          const blob = await after.open(ours, digestOf(layers[n]!));
          assert.ok(blob, `the layer of v${n}`);
          assert.deepEqual(await readAll(blob.stream(0, blob.size)), layers[n]);
          blob.close();
        }
      } finally {
        await after.close();
      }
    },
    'all of it is lost',
  );
});
