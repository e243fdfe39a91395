import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { openBuckets } from '../../../src/app/open-buckets.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { createReadBlocks } from '../../../src/lib/bytes/read-blocks.ts';
import { createViaChain } from '../../../src/lib/flow/via-chain.ts';
import { bytesSource } from '../../../src/stores/object-store.ts';
import { createLookups } from '../../../src/upstream/http/lookups.ts';
import { createManualClock } from '../../support/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { startFakeS3 } from '../../support/fake-s3.ts';
import { tempFolder } from '../../support/temp-folder.ts';

it('a bucket that says nothing keeps no upload to another bucket waiting', async (t) => {
  const [near, far] = [await startFakeS3(), await startFakeS3()];
  const folder = tempFolder(t);
  const config = join(folder, 'entrepot.toml');
  const block = (name: string, { bucket, endpoint, region }: typeof near) =>
    `[[store]]\nname = "${name}"\nkind = "s3"\nbucket = "${bucket}"\nendpoint = "${endpoint}"\nregion = "${region}"\n`;
  writeFileSync(config, block('near', near) + block('far', far));
  const [key] = near.keys;
  const env = { AWS_ACCESS_KEY_ID: key?.accessKey, AWS_SECRET_ACCESS_KEY: key?.secretKey };
  // Time stands still: the silent bucket is not given up.
  const clock = createManualClock(Date.now());
  const surroundings = { env: {}, home: folder, uid: 1000, cwd: folder, root: folder };
  const buckets = await openBuckets(loadConfig({ ...surroundings, flags: { config } }), {
    ...{ clock, env, version: undefined, via: createViaChain('test') },
    blocks: createReadBlocks({ size: 512 * 1024, sockets: 16, keep: 4, lend: 8 }),
    memory: { lookups: createLookups({ clock }) },
  });
  t.after(async () => {
    for (const { store } of buckets) await store.close();
    for (const fake of [near, far]) await fake.close();
  });
  const [first, second] = buckets.map(({ store }) => store);
  assert.ok(first && second);
  far.mischief = () => 'hang';
  const source = bytesSource(randomBytes(1000));
  const stop = new AbortController();
  const keys = Array.from({ length: 20 }, (_, n) => `${n}`);
  const waiting = Promise.allSettled(keys.map((one) => second.put(one, source, stop.signal)));
  await eventually('the silent bucket has as many uploads as it may have', () => far.seen.length === 8);
  void first.put('a', source, stop.signal).catch(() => {});
  await eventually('the other bucket has its object', () => near.objects.has('a'));
  stop.abort();
  await waiting;
});
