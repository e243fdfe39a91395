/**
 * Fills the data folder of its first argument with blobs, manifests and tags as fast as it can, evicting as it goes,
 * until it is killed. Writes a dot for each image that is there.
 */
import { randomBytes } from 'node:crypto';
import { openCache } from '../../../src/cache/open-cache.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { addBlob, buffers, collectLog, endpoint, image, manifestOf, tagOf } from './data-folder-fixture.ts';

const cache = await openCache(
  { clock: systemClock, log: collectLog(), buffers },
  { data: process.argv[2]!, maxSize: 3_000_000, minFree: 0, quotas: [], pins: [] },
);

async function work(worker: number): Promise<never> {
  for (let round = 0; ; round += 1) {
    const size = 1 + Math.floor(Math.random() * 100_000);
    (await cache.reserve(size))?.release();
    const digest = await addBlob(cache, randomBytes(size));
    const manifest = manifestOf([{ digest, size }], `${process.pid} ${worker} ${round}`);
    await cache.putManifest(image, manifest);
    await cache.setTag(image, tagOf(`t${worker}-${round % 50}`), { digest: manifest.digest, endpoint });
    process.stdout.write('.');
  }
}

await Promise.all([1, 2, 3, 4].map(work));
