/** Which bucket gets which content, and what a full disk does to copies between buckets. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { contentKey } from '../../src/stores/content-key.ts';
import { startApp } from '../support/app.ts';
import { createManualClock } from '../support/clock.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryObjects, type MemoryObjects } from '../support/memory-objects.ts';
import { imageManifest, pusher, sha256 } from '../support/pusher.ts';
import { smallDisk } from '../support/small-disk.ts';
import { storedFile } from '../support/stored-files.ts';

const KiB = 1024;
const toml = `
[access]
anonymous = ["pull", "push", "delete"]
[[push]]
match = "images.local/**"
mode = "local"
`;
const configured = ({ store }: MemoryObjects, match: readonly string[] = []) => ({
  ...{ store, match, uploadRate: undefined, redirect: undefined, sweep: undefined },
});
const has = ({ objects }: MemoryObjects, digest: Digest) => objects.has(contentKey(digest));

async function push(url: string, repository: string, layer: string) {
  const client = pusher(url, repository);
  const blobs = ['{}', layer];
  for (const blob of blobs) await client.blob(blob);
  const json = imageManifest(blobs);
  assert.equal((await client.manifest('1', json)).status, 201);
  return [layer, JSON.stringify(json)].map((bytes) => sha256(bytes) as Digest);
}

describe('match of a [[store]]', () => {
  it('keeps other images out of the bucket, until one of its own has the same content', async (t) => {
    const eu = createMemoryObjects('eu');
    const us = createMemoryObjects('us');
    const buckets = [configured(eu), configured(us, ['images.local/team/**'])];
    const clock = createManualClock(Date.now());
    const { url } = await startApp(t, { registries: '', toml }, { buckets, clock });
    const mine = await push(url, 'images.local/team/app', 'of the team');
    const others = await push(url, 'images.local/other/app', 'of others');
    await eventually('both are where they belong', async () => {
      await clock.advance(1000);
      return (
        [...mine, ...others].every((digest) => has(eu, digest)) && mine.every((digest) => has(us, digest))
      );
    });
    await clock.advance(3_600_000);
    assert.deepEqual(
      others.map((digest) => has(us, digest)),
      [false, false],
    );
    await push(url, 'images.local/team/copy', 'of others');
    await eventually('the layer is there now', async () => {
      await clock.advance(1000);
      return has(us, others[0] as Digest);
    });
  });
});

describe('a copy from one bucket to another', () => {
  it('waits while the disk is full, and leaves nothing behind', async (t) => {
    const disk = smallDisk(t, 1);
    if (!disk) return t.skip('needs root');
    const eu = createMemoryObjects('eu');
    const us = createMemoryObjects('us');
    us.fail('unreachable');
    const clock = createManualClock(Date.now());
    const { url, app, data, log } = await startApp(
      t,
      { registries: '', toml: `${toml}[cache]\nmax_size = "1000KiB"\n` },
      { buckets: [eu, us].map((bucket) => configured(bucket)), clock },
    );
    // The folder of copies alone is on the disk that is full.
    disk.fill();
    symlinkSync(disk.path, join(data, 'placing'));
    const layers = ['a', 'b', 'c'].map((letter) => letter.repeat(400 * KiB));
    for (const layer of layers) {
      const digests = await eventually('there is room', async () => {
        await clock.advance(1000);
        return push(url, 'images.local/team/app', layer).catch(() => undefined);
      });
      assert.ok(digests.every((digest) => has(eu, digest)));
    }
    const away = layers
      .map((layer) => sha256(layer) as Digest)
      .filter((digest) => !existsSync(storedFile(data, digest)));
    assert.ok(away.length > 0, 'the bucket alone has it');
    us.fail(undefined);
    await eventually('it was tried', async () => {
      await clock.advance(600_000);
      return away.every((digest) => eu.calls.includes(`get ${contentKey(digest)}`));
    });
    assert.deepEqual(
      away.map((digest) => has(us, digest)),
      away.map(() => false),
    );
    await eventually('nothing is left', () => readdirSync(disk.path).length === 1);
    disk.empty();
    await eventually('it is copied', async () => {
      await clock.advance(600_000);
      return away.every((digest) => has(us, digest));
    });
    for (const digest of away)
      assert.ok(
        us.objects.get(contentKey(digest))?.equals(eu.objects.get(contentKey(digest)) ?? Buffer.of()),
      );
    await eventually('nothing waits', async () => {
      await clock.advance(60_000);
      return (await app.administration.usage()).buckets[1]?.waiting.contents === 0;
    });
    assert.deepEqual(
      log.filter(({ event }) => event === 'placement.nowhere'),
      [],
    );
  });
});
