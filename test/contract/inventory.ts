/** What every `Inventory` does (`src/cache/index/inventory.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Inventory } from '../../src/cache/index/inventory.ts';
import { type Digest, digestHex } from '../../src/oci/digest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { addBlob, addManifest, named, type OpenIndex, unlistedHosted } from './index-fixture.ts';

const image = 'docker.io/library/alpine';
const other = 'quay.io/team/app';
const origin = 'mirror.test/library/alpine';
const now = 1_700_000_000_000;
const here = [{ image, origin }];

/** Registers the tests. `open` gives an empty index, with the inventory under test. */
export function testInventory(open: OpenIndex<'catalogue' | 'inventory'>): void {
  describe('an inventory', () => {
    it('stores contents with their links, and sums them up', async (t) => {
      const { catalogue, inventory } = await open(t);
      assert.deepEqual({ ...inventory.totals() }, { bytes: 0, contents: 0, manifests: 0 });
      await addManifest(inventory, 'm', ['a'], { links: here });
      await addBlob(inventory, 'a', 5, { links: [...here, { image: other, origin: 'push' }] });
      assert.deepEqual({ ...inventory.totals() }, { bytes: 15, contents: 2, manifests: 1 });
      assert.equal((await inventory.content(named('a')))?.size, 5);
      assert.equal((await inventory.content(named('a')))?.mediaType, undefined);
      assert.equal((await inventory.content(named('m')))?.mediaType, mediaTypes.ociManifest);
      assert.equal(await inventory.content(named('unknown')), undefined);
      assert.deepEqual((await catalogue.imagesOf(named('a'))).toSorted(), [image, other]);
      await addBlob(inventory, 'a', 5);
      assert.equal(inventory.totals().contents, 2, 'the same content counts once');
    });

    it('keeps a hosted link hosted, and counts hosted contents apart', async (t) => {
      const { catalogue, inventory } = await open(t);
      const tag = parseTag('v1')!;
      const links = [{ image, origin: 'push', tags: [tag] }];
      await addManifest(inventory, 'm', ['a'], { links });
      await addBlob(inventory, 'a', 5, {
        links: [
          { image, origin: 'push' },
          { image: other, origin: 'bundle' },
        ],
      });
      await addBlob(inventory, 'cached', 7, { links: here });
      assert.deepEqual({ ...inventory.hosted() }, { bytes: 15, contents: 2 });
      assert.equal(inventory.keptBytes(), 15);
      assert.equal((await catalogue.tag(image, tag))?.endpoint, 'push');
      await catalogue.link(named('a'), { image, origin }, now);
      await inventory.unlink(other, named('a'));
      assert.deepEqual(
        { ...inventory.hosted() },
        { bytes: 15, contents: 2 },
        'an endpoint answered for it as well',
      );
    });

    it('takes one content out of an image, with its tags', async (t) => {
      const { catalogue, inventory } = await open(t);
      const tags = [parseTag('v1')!, parseTag('v2')!];
      await addManifest(inventory, 'm', ['a'], { links: [{ image, origin: 'push', tags }] });
      await addBlob(inventory, 'a', 5, {
        links: [
          { image, origin: 'push' },
          { image: other, origin: 'push' },
        ],
      });
      const gone = await inventory.unlink(image, named('m'));
      assert.deepEqual([gone?.isGone, gone?.size, gone?.images], [true, 10, [image]]);
      assert.deepEqual(await catalogue.tags(image), []);
      const kept = await inventory.unlink(image, named('a'));
      assert.deepEqual([kept?.isGone, kept?.images.toSorted()], [false, [image, other]]);
      assert.equal((await catalogue.find(image, named('a'))).linked, false);
      assert.equal((await inventory.content(named('a')))?.size, 5);
      assert.equal(await inventory.unlink(image, named('a')), undefined);
    });

    it('forgets what it drops, with its tags and links, and what only that referenced', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addManifest(inventory, 'm', ['own', 'shared', 'unseen'], { links: here });
      await addManifest(inventory, 'n', ['shared']);
      for (const name of ['own', 'shared']) await addBlob(inventory, name, 5);
      await catalogue.setTag(image, '1', { digest: named('m'), endpoint: origin, checkedAt: 1 }, now);
      await catalogue.setTag(image, '2', { digest: named('unseen'), endpoint: origin, checkedAt: 1 }, now);
      assert.equal((await inventory.drop(named('m')))?.size, 10);
      assert.equal(await inventory.content(named('m')), undefined);
      assert.deepEqual(await catalogue.tags(image), []);
      assert.deepEqual(await catalogue.imagesOf(named('m')), []);
      assert.deepEqual({ ...inventory.totals() }, { bytes: 20, contents: 3, manifests: 1 });
      assert.equal(await inventory.drop(named('unknown')), undefined);
    });

    it('keeps the links of a dropped content that a manifest lists', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addManifest(inventory, 'm', ['a']);
      await addBlob(inventory, 'a', 1, { links: here });
      await inventory.drop(named('a'));
      assert.equal(await inventory.content(named('a')), undefined);
      assert.deepEqual(await catalogue.imagesOf(named('a')), [image]);
    });

    it('keeps everything about a lost content for when it comes back', async (t) => {
      const { catalogue, inventory } = await open(t);
      const back = () => addManifest(inventory, 'm', ['own', 'unseen'], { links: here });
      await back();
      await addBlob(inventory, 'own', 5);
      await catalogue.setTag(image, '1', { digest: named('m'), endpoint: origin, checkedAt: 1 }, now);
      const children = await catalogue.children(named('m'));

      assert.equal((await inventory.lose(named('m')))?.mediaType, mediaTypes.ociManifest);
      assert.equal(await inventory.content(named('m')), undefined);
      const found = await catalogue.find(image, named('m'));
      assert.deepEqual([found.content, found.linked], [undefined, true]);
      assert.deepEqual({ ...inventory.totals() }, { bytes: 5, contents: 1, manifests: 0 });
      assert.deepEqual(await catalogue.tags(image), ['1']);
      assert.deepEqual(await catalogue.children(named('m')), children);
      assert.equal(await inventory.lose(named('m')), undefined);

      await back();
      assert.equal((await catalogue.find(image, named('m'))).content?.mediaType, mediaTypes.ociManifest);
      assert.deepEqual({ ...inventory.totals() }, { bytes: 15, contents: 2, manifests: 1 });
    });

    it('forgets a content only if it is not stored', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addBlob(inventory, 'a', 5, { links: here });
      await inventory.forget(named('a'));
      assert.equal((await inventory.content(named('a')))?.size, 5);
      await inventory.lose(named('a'));
      await inventory.forget(named('a'));
      assert.deepEqual(await catalogue.linkedBy(image), []);
    });

    it('never forgets a hosted content that is lost, and gives it by its shard', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addBlob(inventory, 'ours', 5, { links: [{ image, origin: 'push' }] });
      await addManifest(inventory, 'list', ['ours'], {
        links: [{ image, origin: 'push', mediaType: mediaTypes.ociManifest }],
      });
      const shardOf = (name: string) => ({
        algorithm: 'sha256' as const,
        first: Number.parseInt(digestHex(named(name)).slice(0, 2), 16),
      });
      assert.deepEqual(await inventory.lostHosted(shardOf('ours')), []);
      for (const name of ['ours', 'list']) {
        await inventory.lose(named(name));
        await inventory.forget(named(name));
        const isManifest = name === 'list';
        assert.deepEqual(await inventory.lostHosted(shardOf(name)), [{ digest: named(name), isManifest }]);
        assert.equal(await inventory.isHosted(named(name)), true);
      }
      assert.equal((await catalogue.find(image, named('ours'))).linked, true);
    });

    it('gives hosted blobs that no manifest of their image lists, unless one of its manifests is lost', async (t) => {
      const { inventory } = await open(t);
      const pushed = [{ image, origin: 'push' }];
      await addBlob(inventory, 'listed', 5, { links: pushed });
      await addBlob(inventory, 'left', 5, { links: pushed, used: 10 });
      await addBlob(inventory, 'young', 5, { links: pushed, used: 20 });
      await addBlob(inventory, 'cached', 5, { links: [{ image, origin }] });
      await addBlob(inventory, 'listed elsewhere', 5, { links: [{ image: other, origin: 'push' }] });
      await addManifest(inventory, 'list', ['listed', 'listed elsewhere'], {
        links: [{ image, origin: 'push', mediaType: mediaTypes.ociManifest }],
      });
      const found = async () =>
        (await unlistedHosted(inventory, 15)).toSorted((a, b) => (a.image < b.image ? -1 : 1));
      const elsewhere = { image: other, digest: named('listed elsewhere') };
      assert.deepEqual(
        await found(),
        [{ image, digest: named('left') }, elsewhere].toSorted((a, b) => (a.image < b.image ? -1 : 1)),
      );
      await inventory.lose(named('list'));
      assert.deepEqual(await found(), [elsewhere], 'what it lists may be more');
    });

    it('gives unlisted blobs also where many older ones are of an image with a manifest that is lost', async (t) => {
      const { inventory } = await open(t);
      const of = (name: string) => [{ image: name, origin: 'push' }];
      for (let n = 0; n < 600; n += 1) await addBlob(inventory, String(n), 1, { links: of(other) });
      const mediaType = mediaTypes.ociManifest;
      await addManifest(inventory, 'lost', ['0'], { links: [{ image: other, origin: 'push', mediaType }] });
      await inventory.lose(named('lost'));
      await addBlob(inventory, 'left', 1, { links: of(image), used: 10 });
      assert.deepEqual(await unlistedHosted(inventory, 15), [{ image, digest: named('left') }]);
    });

    it('gives the contents of a shard in the order of their digests, some at a time', async (t) => {
      const { inventory } = await open(t);
      const all = Array.from({ length: 300 }, (_, n) => String(n));
      for (const name of all) await addBlob(inventory, name, 3);
      const walked: Digest[] = [];
      for (let first = 0; first < 256; first += 1) {
        for (let after: Digest | undefined; ; after = walked.at(-1)) {
          const some = await inventory.within({ algorithm: 'sha256', first }, after, 2);
          assert.ok(some.length <= 2 && some.every(({ size }) => size === 3));
          walked.push(...some.map(({ digest }) => digest));
          if (some.length < 2) break;
        }
      }
      assert.deepEqual(walked, all.map(named).toSorted());
      assert.deepEqual(await inventory.within({ algorithm: 'sha512', first: 0 }, undefined, 2), []);
    });
  });

  testPurge(open);
}

function testPurge(open: OpenIndex<'catalogue' | 'inventory'>): void {
  const tag = (name: string) => parseTag(name)!;

  /** Two tagged images of one repository that share a layer, which another repository links as well. */
  async function twoTags(t: Parameters<typeof open>[0]) {
    const index = await open(t);
    const { catalogue, inventory } = index;
    for (const [name, layer] of [
      ['one', 'layer 1'],
      ['two', 'layer 2'],
    ] as const) {
      await addManifest(inventory, name, [layer, 'base'], { links: here });
      await addBlob(inventory, layer, 5, { links: here });
      await catalogue.setTag(image, name, { digest: named(name), endpoint: origin, checkedAt: 1 }, now);
    }
    await addBlob(inventory, 'base', 7, { links: [...here, { image: other, origin }] });
    return index;
  }

  const gone = (purged: Awaited<ReturnType<Inventory['purge']>>) =>
    purged.unlinked.filter(({ isGone }) => isGone).map(({ digest }) => digest);

  describe('a purge', () => {
    it('of a tag takes what no other manifest of the image lists', async (t) => {
      const { catalogue, inventory } = await twoTags(t);
      const purged = await inventory.purge({ image, tag: tag('one') });
      assert.equal(purged.tags, 1);
      assert.deepEqual(gone(purged).toSorted(), ['one', 'layer 1'].map(named).toSorted());
      assert.deepEqual(await catalogue.tags(image), ['two']);
      assert.equal((await catalogue.find(image, named('base'))).linked, true);
      assert.equal(inventory.totals().bytes, 22);
    });

    it('of the image leaves what others link, and says which images had linked it', async (t) => {
      const { catalogue, inventory } = await twoTags(t);
      await catalogue.setList(image, 'tags', '', { bytes: Buffer.from('[]'), checkedAt: 1 });
      const purged = await inventory.purge({ image });
      assert.equal(purged.tags, 2);
      const base = purged.unlinked.find(({ digest }) => digest === named('base'));
      assert.deepEqual([base?.isGone, base?.size, base?.images.toSorted()], [false, 7, [image, other]]);
      assert.equal(gone(purged).length, 4);
      assert.deepEqual(await catalogue.linkedBy(image), []);
      assert.equal(await catalogue.list(image, 'tags', ''), undefined);
      assert.equal((await catalogue.find(other, named('base'))).content?.size, 7);
      assert.equal(inventory.totals().bytes, 7);
    });

    it('of a digest takes its tags, too', async (t) => {
      const { catalogue, inventory } = await twoTags(t);
      await catalogue.setTag(image, 'same', { digest: named('one'), endpoint: origin, checkedAt: 1 }, now);
      assert.equal(
        (await inventory.purge({ image, tag: tag('same') })).unlinked.length,
        0,
        'another tag keeps it',
      );
      await inventory.purge({ image, digest: named('one') });
      assert.deepEqual(await catalogue.tags(image), ['two']);
      assert.equal(await inventory.content(named('one')), undefined);
    });

    it('of the rest of an image leaves what is to be kept, and the lists', async (t) => {
      const { catalogue, inventory } = await twoTags(t);
      await catalogue.setList(image, 'tags', '', { bytes: Buffer.from('[]'), checkedAt: 1 });
      const keep = { tags: ['two'], digests: [named('two')] };
      assert.equal((await inventory.purge({ image, keep })).tags, 1);
      assert.deepEqual(await catalogue.tags(image), ['two']);
      assert.deepEqual((await catalogue.linkedBy(image)).length, 3, 'the manifest, its layer and the base');
      assert.ok(await catalogue.list(image, 'tags', ''));
    });

    it('leaves what is hosted, with all that it lists, if it is told to', async (t) => {
      const { catalogue, inventory } = await twoTags(t);
      await inventory.add(
        { digest: named('one'), size: 10 },
        [{ image, origin: 'push', tags: [tag('pushed')] }],
        now,
      );
      const purged = await inventory.purge({ image, keepsHosted: true });
      assert.deepEqual(gone(purged).toSorted(), ['two', 'layer 2'].map(named).toSorted());
      assert.deepEqual(await catalogue.tags(image), ['pushed']);
      assert.equal((await inventory.purge({ image, tag: tag('pushed'), keepsHosted: true })).tags, 0);
      assert.equal((await inventory.purge({ image })).tags, 1);
      assert.equal(await inventory.content(named('one')), undefined);
    });

    it('of what is not there changes nothing', async (t) => {
      const { inventory } = await twoTags(t);
      for (const target of [{ image: 'a.test/none' }, { image, tag: tag('none') }])
        assert.deepEqual(await inventory.purge(target), { tags: 0, unlinked: [] });
      assert.equal(inventory.totals().bytes, 37);
    });
  });
}
