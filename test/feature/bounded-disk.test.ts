/** The disk is never fuller than it may be, and what goes is what was used least lately. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Digest } from '../../src/oci/digest.ts';
import { stallAfter } from '../support/fake-registry-faults.ts';
import { gate } from '../support/gate.ts';
import { open } from '../support/http-client.ts';
import { buildImage, buildIndex, type Image } from '../support/images.ts';
import { imageOf, kept, pull } from '../support/kept-images.ts';
import { cacheOf, type MirroredRegistry, settled, startMirrored } from '../support/mirrored-registry.ts';
import { incomingBytes, storedBytes } from '../support/stored-files.ts';

const KiB = 1024;
const second = 1000;

async function bounded(t: TestContext, toml: string): Promise<MirroredRegistry> {
  return startMirrored(t, { toml });
}

describe('cache.max_size', () => {
  it('is never exceeded, whatever is pulled', async (t) => {
    const limit = 400 * KiB;
    const mirrored = await bounded(t, '[cache]\nmax_size = "400KiB"');
    let most = 0;
    for (let n = 0; n < 12; n += 1) {
      await pull(mirrored, `team/app${n}`, imageOf(`app${n}`, (n % 5) * 30 * KiB + 7, 40 * KiB));
      most = Math.max(most, storedBytes(mirrored.proxy.data));
    }
    assert.ok(most <= limit, `${most} bytes were stored`);
    assert.ok(most > limit / 2, `only ${most} bytes were ever stored`);
  });

  it('is kept by giving up what was used least lately, through HTTP', async (t) => {
    const mirrored = await bounded(t, '[cache]\nmax_size = "400KiB"');
    const images = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, imageOf(name, 100 * KiB)]));
    for (const name of ['a', 'b', 'c']) await pull(mirrored, name, images[name]!);
    // Only its layer is used again: the image as a whole counts as used.
    assert.equal(cacheOf(await mirrored.get('a', `blobs/${images.a!.layers[0]!.digest}`)), 'hit');
    await mirrored.clock.advance(second);
    await pull(mirrored, 'd', images.d!);
    assert.deepEqual(await kept(mirrored, images), ['a', 'c', 'd']);
  });

  it('lets a blob through that is larger than the whole cache, without keeping it', async (t) => {
    const mirrored = await bounded(t, '[cache]\nmax_size = "200KiB"');
    const small = imageOf('small', 50 * KiB);
    await pull(mirrored, 'small', small);
    const large = imageOf('large', 500 * KiB);
    await pull(mirrored, 'large', large);
    assert.ok(storedBytes(mirrored.proxy.data) <= 200 * KiB);
    assert.deepEqual(await kept(mirrored, { small, large }), ['small']);
    assert.ok(
      mirrored.proxy.log.some(({ msg, quota }) => msg === 'the cache is full' && quota === undefined),
    );
    assert.ok(mirrored.proxy.log.some(({ msg }) => msg === 'a blob is passed on without being kept'));
  });

  it('holds with what broken transfers have left, the oldest of which goes', async (t) => {
    const limit = 2000 * KiB;
    const mirrored = await bounded(t, '[cache]\nmax_size = "2000KiB"\n[transfer]\nfill = "never"');
    const { registry, proxy, at } = mirrored;
    const hold = gate();
    const blobs = Array.from({ length: 10 }, (_, n) => registry.putGeneratedBlob(700 * KiB, n));
    for (const digest of blobs) {
      registry.on({ digest, nth: 1 }, stallAfter(500 * KiB, hold));
      const answer = await open(at('team/app', `blobs/${digest}`));
      await answer.read(400 * KiB);
      answer.destroy();
      await settled(proxy);
      assert.ok(storedBytes(proxy.data) + incomingBytes(proxy.data) <= limit);
    }
    for (const digest of [blobs.at(-1)!, blobs[0]!]) {
      const { complete } = await mirrored.get('team/app', `blobs/${digest}`);
      assert.ok(complete);
    }
    const resumed = (digest: Digest) => registry.count({ digest, when: ({ headers }) => 'range' in headers });
    assert.deepEqual([resumed(blobs.at(-1)!), resumed(blobs[0]!)], [1, 0]);
  });

  it('counts a blob that images share once, and keeps it while one of them is here', async (t) => {
    const mirrored = await bounded(t, '[cache]\nmax_size = "300KiB"');
    const shared = imageOf('shared', 150 * KiB).layers[0]!;
    const [a, b] = ['a', 'b'].map((seed) => buildImage({ seed, layers: [20 * KiB, shared] })) as [
      Image,
      Image,
    ];
    await pull(mirrored, 'a', a);
    await pull(mirrored, 'b', b);
    await pull(mirrored, 'c', imageOf('c', 120 * KiB));
    assert.deepEqual(await kept(mirrored, { a, b }), ['b']);
    assert.equal(cacheOf(await mirrored.get('b', `blobs/${shared.digest}`)), 'hit');
  });

  it('makes room beforehand for what is on its way, so that transfers side by side fit, too', async (t) => {
    const mirrored = await bounded(t, '[cache]\nmax_size = "400KiB"');
    const hold = gate();
    const { registry, get } = mirrored;
    const images = ['a', 'b', 'c'].map((name) => imageOf(name, 180 * KiB));
    for (const [n, image] of images.entries()) {
      registry.putImage(`side/${n}`, '1', image);
      await get(`side/${n}`, 'manifests/1');
      registry.on({ digest: image.layers[0]!.digest }, stallAfter(10 * KiB, hold));
    }
    const answers = images.map((image, n) => get(`side/${n}`, `blobs/${image.layers[0]!.digest}`));
    await hold.arrivals(3);
    hold.release();
    for (const [n, answer] of answers.entries()) {
      const { body, complete } = await answer;
      assert.ok(complete);
      assert.deepEqual(body, images[n]!.layers[0]!.bytes());
    }
    await settled(mirrored.proxy);
    const stored = await kept(mirrored, { 'side/0': images[0]!, 'side/1': images[1]!, 'side/2': images[2]! });
    assert.equal(stored.length, 2);
    assert.ok(storedBytes(mirrored.proxy.data) <= 400 * KiB);
  });
});

describe('a reader', () => {
  it('is never broken by eviction', async (t) => {
    const mirrored = await bounded(t, '[cache]\nmax_size = "6MiB"');
    const old = imageOf('old', 4 * 1024 * KiB);
    await pull(mirrored, 'old', old);
    const layer = old.layers[0]!;
    const reader = await open(mirrored.at('old', `blobs/${layer.digest}`));
    const begin = await reader.read(100 * KiB);
    for (const name of ['x', 'y', 'z']) await pull(mirrored, name, imageOf(name, 1900 * KiB));
    const { body, complete } = await reader.rest();
    assert.ok(complete);
    assert.deepEqual(Buffer.concat([begin, body]), layer.bytes());
  });
});

describe('a quota', () => {
  const toml = `
    [cache]
    max_size = "10MiB"
    [[cache.quota]]
    match = "*/team/**"
    max_size = "250KiB"`;

  it('bounds what its pattern matches, and nothing else', async (t) => {
    const mirrored = await bounded(t, toml);
    const images: Record<string, Image> = {};
    for (const name of ['other/x', 'team/a', 'team/b', 'team/c', 'other/y']) {
      images[name] = imageOf(name, 100 * KiB);
      await pull(mirrored, name, images[name]);
    }
    assert.deepEqual(await kept(mirrored, images), ['other/x', 'team/b', 'team/c', 'other/y']);
  });

  it('that is smaller than an image lets it through uncached, and evicts nothing for it', async (t) => {
    const mirrored = await bounded(t, toml);
    const images = { 'team/a': imageOf('a', 100 * KiB), 'team/b': imageOf('b', 100 * KiB) };
    for (const [name, image] of Object.entries(images)) await pull(mirrored, name, image);
    const large = imageOf('large', ...[1, 2, 3, 4].map((n) => 80 * KiB + n));
    await pull(mirrored, 'team/large', large);
    assert.deepEqual(await kept(mirrored, images), ['team/a', 'team/b']);
    const said = mirrored.proxy.log.filter(({ event }) => event === 'cache.imageTooLarge');
    assert.equal(said.length, 1);
    const other = { 'other/large': imageOf('large', ...[1, 2, 3, 4].map((n) => 80 * KiB + n)) };
    await pull(mirrored, 'other/large', other['other/large']);
    assert.deepEqual(await kept(mirrored, other), ['other/large'], 'where no quota forbids it');
  });

  it('that cannot be met lets a blob through uncached, and says so', async (t) => {
    const mirrored = await bounded(t, `${toml}\n[[cache.pin]]\nmatch = "*/team/pinned"`);
    const pinned = imageOf('pinned', 200 * KiB);
    await pull(mirrored, 'team/pinned', pinned);
    const more = imageOf('more', 100 * KiB);
    await pull(mirrored, 'team/more', more);
    const other = imageOf('other', 100 * KiB);
    await pull(mirrored, 'other', other);
    const images = { 'team/pinned': pinned, 'team/more': more, other };
    assert.deepEqual(await kept(mirrored, images), ['team/pinned', 'other']);
    const said = mirrored.proxy.log.filter(({ msg }) => msg === 'a quota is full');
    assert.deepEqual([...new Set(said.map(({ quota }) => quota))], ['*/team/**']);
  });
});

describe('a pin', () => {
  it('keeps an image by its tag, with all its blobs, until the tag moves', async (t) => {
    const mirrored = await bounded(
      t,
      '[cache]\nmax_size = "400KiB"\n[[cache.pin]]\nmatch = "*/base:1"\n[freshness]\ntag = "0s"',
    );
    const base = imageOf('base', 100 * KiB);
    await pull(mirrored, 'base', base);
    for (const name of ['a', 'b', 'c', 'd']) await pull(mirrored, name, imageOf(name, 100 * KiB));
    assert.deepEqual(await kept(mirrored, { base }), ['base']);

    mirrored.registry.putImage('base', '1', imageOf('new base', 10));
    await mirrored.get('base', 'manifests/1');
    for (const name of ['e', 'f', 'g', 'h']) await pull(mirrored, name, imageOf(name, 100 * KiB));
    assert.deepEqual(await kept(mirrored, { base }), []);
  });
});

describe('an index', () => {
  it('keeps the children that were pulled, and does not bring the others', async (t) => {
    const mirrored = await bounded(t, '[cache]\nmax_size = "10MiB"');
    const { registry, get } = mirrored;
    const index = buildIndex({ layers: [20 * KiB] });
    const [wanted, other] = index.images as [Image, Image];
    registry.putImage('multi', '1', index);
    await get('multi', 'manifests/1');
    await get('multi', `manifests/${wanted.digest}`);
    await registry.refuse();
    assert.equal(cacheOf(await get('multi', `manifests/${wanted.digest}`)), 'hit');
    assert.equal((await get('multi', `manifests/${other.digest}`)).status, 502);
  });
});
