/** How well a cache that is too small chooses what to keep: the real one, and a list that knows each use at once. */
import { openCache } from '../src/cache/open-cache.ts';
import { createBufferPool } from '../src/lib/bytes/buffer-pool.ts';
import { createManualClock } from '../test/support/clock.ts';
import { type AccessPattern, blobPattern, imagePattern, replay, replayOnLru } from './access-pattern.ts';
import type { Line } from './measure.ts';
import type { Row } from './row.ts';
import type { Stage } from './stage.ts';

const seed = 1;
/** Of all bytes that are ever asked for, what the cache may hold. */
const share = 1 / 5;

const row: Row = {
  name: 'hit-ratio',
  asks: 'hits of a cache that holds a fifth of what is asked for by Zipf, against an LRU oracle',
  async run({ stage, quick }) {
    const [count, pulls] = quick ? [1000, 5000] : [10_000, 50_000];
    return [
      ...(await lines(stage, `Zipf over ${count} blobs of mixed size`, blobPattern(seed, count, pulls))),
      ...(await lines(
        stage,
        `Zipf over ${count / 5} images that share layers`,
        imagePattern(seed, count / 5, pulls / 5),
      )),
    ];
  },
};

export const hits: readonly Row[] = [row];

async function lines(stage: Stage, name: string, pattern: AccessPattern): Promise<readonly Line[]> {
  const maxSize = Math.floor(pattern.bytes * share);
  const clock = createManualClock();
  const log = { info() {}, warn() {}, error: (fields: object, text: string) => console.error(text, fields) };
  const buffers = createBufferPool({ budget: 64 * 1024 * 1024, keep: 0 });
  const options = { data: stage.folder('hits'), maxSize, minFree: 0, quotas: [], pins: [] };
  const cache = await openCache({ clock, log, buffers }, options);
  // Time goes on by hand: last uses are written every five seconds of it, as in life.
  const got = await replay(cache, pattern, () => clock.advance(700));
  await cache.close();
  const oracle = replayOnLru(pattern, maxSize);
  return (['hits', 'bytes'] as const).flatMap((what) => {
    const label = what === 'hits' ? 'of requests' : 'of bytes';
    return [
      { row: name, what: `hits, ${label}`, unit: '%', values: { entrepot: 100 * got[what] } },
      {
        row: name,
        what: 'behind an LRU oracle',
        unit: 'points',
        values: { entrepot: 100 * (oracle[what] - got[what]) },
        goals: [{ atMost: 2 }],
        note: `the oracle has ${(100 * oracle[what]).toFixed(1)} %`,
      },
    ] satisfies Line[];
  });
}
