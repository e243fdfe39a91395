/** What every `Catalogue` does (`src/cache/index/catalogue.ts`): tests that each implementation runs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Catalogue } from '../../src/cache/index/catalogue.ts';
import type { Manifest } from '../../src/oci/manifest.ts';
import { mediaTypes } from '../../src/oci/media-types.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { addBlob, addManifest, named, type OpenIndex } from './index-fixture.ts';

const image = 'docker.io/library/alpine';
const other = 'quay.io/team/app';
const endpoint = 'mirror.test/library/alpine';
const later = 1_700_000_000_000;

/** Registers the tests. `open` gives an empty index, with the catalogue under test. */
export function testCatalogue(open: OpenIndex<'catalogue' | 'inventory'>): void {
  const tagTo = (catalogue: Catalogue, tag: string, name: string, checkedAt: number, now = later) =>
    catalogue.setTag(image, tag, { digest: named(name), endpoint, checkedAt }, now);

  describe('a catalogue', () => {
    it('keeps tags per image, sorted by bytes', async (t) => {
      const { catalogue } = await open(t);
      for (const tag of ['b', 'a', 'B']) await tagTo(catalogue, tag, tag, 5);
      assert.deepEqual(await catalogue.tag(image, 'a'), { digest: named('a'), endpoint, checkedAt: 5 });
      assert.deepEqual(await catalogue.tags(image), ['B', 'a', 'b']);
      assert.deepEqual(await catalogue.tags(other), []);
      assert.equal(await catalogue.tag(other, 'a'), undefined);
      await catalogue.dropTag(image, 'a', 5, later);
      assert.equal(await catalogue.tag(image, 'a'), undefined);
    });

    it('lets no endpoint move or take away a hosted tag', async (t) => {
      const { catalogue } = await open(t);
      const pushed = { digest: named('ours'), endpoint: 'push', checkedAt: 5 };
      await catalogue.setTag(image, '1', pushed, later);
      await tagTo(catalogue, '1', 'theirs', 20);
      await catalogue.dropTag(image, '1', later, later);
      assert.deepEqual(await catalogue.tag(image, '1'), pushed);
      await tagTo(catalogue, '0', 'theirs', 20);
      assert.deepEqual(await catalogue.hostedTags(image), ['1']);
      assert.deepEqual(await catalogue.hostedTags(other), []);
      await catalogue.setTag(
        image,
        '2',
        { ...(await catalogue.tag(image, '1'))!, endpoint: 'bundle' },
        10_000,
      );
      assert.deepEqual(await catalogue.importedTags(image), ['2']);
      assert.equal(await catalogue.removeTag(image, '1'), true);
      assert.equal(await catalogue.removeTag(image, '1'), false);
      assert.equal(await catalogue.tag(image, '1'), undefined);
    });

    it('takes the later of two values for a tag, in whatever order they come', async (t) => {
      const { catalogue } = await open(t);
      await tagTo(catalogue, '1', 'new', 20);
      await tagTo(catalogue, '1', 'old', 10);
      assert.equal((await catalogue.tag(image, '1'))?.digest, named('new'));
      const checkedAt = async () => (await catalogue.tag(image, '1'))?.checkedAt;
      await tagTo(catalogue, '1', 'new', 10);
      assert.equal(await checkedAt(), 20, 'the same value, later');
      await tagTo(catalogue, '1', 'new', 30);
      assert.equal(await checkedAt(), 30);
      await tagTo(catalogue, '1', 'new', 20, 25);
      assert.equal(await checkedAt(), 20, 'the clock was ahead');
      await catalogue.dropTag(image, '1', 10, later);
      assert.equal((await catalogue.tag(image, '1'))?.digest, named('new'));
      await tagTo(catalogue, '1', 'newer', 20);
      assert.equal((await catalogue.tag(image, '1'))?.digest, named('newer'), 'the same time is not older');
      await catalogue.dropTag(image, '1', 20, later);
      assert.equal(await catalogue.tag(image, '1'), undefined);
    });

    it('lets go of a time that is later than now', async (t) => {
      const { catalogue } = await open(t);
      await tagTo(catalogue, '1', 'ahead', 20, 15);
      await tagTo(catalogue, '1', 'right', 10, 15);
      assert.equal((await catalogue.tag(image, '1'))?.digest, named('right'));
      await tagTo(catalogue, '1', 'ahead', 20, 15);
      await catalogue.dropTag(image, '1', 10, 15);
      assert.equal(await catalogue.tag(image, '1'), undefined);
    });

    it('lets a push move a tag whose time is later: the clock was ahead', async (t) => {
      const { catalogue } = await open(t);
      const push = (tag: string, name: string, at: number) =>
        catalogue.link(named(name), { image, origin: 'push', tags: [parseTag(tag)!] }, at);
      await push('pushed', 'ahead', 20);
      await tagTo(catalogue, 'cached', 'ahead', 20);
      for (const tag of ['pushed', 'cached']) {
        await push(tag, 'right', 10);
        const value = { digest: named('right'), endpoint: 'push', checkedAt: 10 };
        assert.deepEqual(await catalogue.tag(image, tag), value);
      }
    });

    it('lets a tag count as never confirmed, unless it is hosted', async (t) => {
      const { catalogue } = await open(t);
      await tagTo(catalogue, '1', 'a', 20);
      const pushed = { digest: named('ours'), endpoint: 'push', checkedAt: 5 };
      await catalogue.setTag(image, '2', pushed, later);
      for (const tag of ['1', '2', 'unknown']) await catalogue.expireTag(image, tag);
      assert.deepEqual(await catalogue.tag(image, '1'), { digest: named('a'), endpoint, checkedAt: 0 });
      assert.deepEqual(await catalogue.tag(image, '2'), pushed);
      assert.deepEqual(await catalogue.tags(image), ['1', '2']);
      await tagTo(catalogue, '1', 'b', 10);
      assert.equal((await catalogue.tag(image, '1'))?.digest, named('b'), 'any answer counts from then on');
    });

    it('finds what an image links, stored or not', async (t) => {
      const { catalogue, inventory } = await open(t);
      await catalogue.link(named('a'), { image, origin: 'push' }, 1);
      assert.deepEqual(await catalogue.find(image, named('a')), {
        content: undefined,
        linked: true,
        described: undefined,
      });
      await addBlob(inventory, 'a', 7);
      const content = { digest: named('a'), size: 7, mediaType: undefined };
      const { content: found, linked } = await catalogue.find(image, named('a'));
      assert.deepEqual({ ...found }, { ...found, ...content });
      assert.equal(linked, true);
      const elsewhere = await catalogue.find(other, named('a'));
      assert.equal(elsewhere.content?.size, 7, 'stored, whichever image it came for');
      assert.equal(elsewhere.linked, false);
      const unknown = await catalogue.find(image, named('unknown'));
      assert.deepEqual(unknown, { content: undefined, linked: false, described: undefined });
    });

    it('links once, and keeps the latest origin', async (t) => {
      const { catalogue } = await open(t);
      for (const origin of ['mirror.test/a', 'bundle'])
        await catalogue.link(named('a'), { image, origin }, 1);
      await catalogue.link(named('a'), { image: other, origin: 'push' }, 1);
      assert.deepEqual((await catalogue.imagesOf(named('a'))).toSorted(), [image, other]);
      assert.equal(await catalogue.originOf(image, named('a')), 'bundle');
      assert.equal(await catalogue.originOf(image, named('b')), undefined);
      await catalogue.link(named('c'), { image, origin: endpoint }, 1);
      assert.equal(await catalogue.adopt(image, named('c'), 1), true);
      assert.equal(await catalogue.originOf(image, named('c')), 'push');
      assert.equal(await catalogue.adopt(image, named('a'), 1), true);
      assert.equal(await catalogue.originOf(image, named('a')), 'bundle', 'it was hosted before');
      assert.equal(await catalogue.adopt(image, named('d'), 1), false);
      assert.equal(await catalogue.originOf(image, named('d')), undefined);
      assert.deepEqual((await catalogue.linkedBy(image)).toSorted(), [named('a'), named('c')].toSorted());
    });

    it('describes what the manifests of the image list, with the origin of the manifest', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addManifest(inventory, 'm', ['a'], { links: [{ image, origin: endpoint }] });
      const { described } = await catalogue.find(image, named('a'));
      assert.equal(described?.size, 1);
      assert.equal(described?.endpoint, endpoint);
      assert.equal(described?.isElsewhere, false);
      assert.equal((await catalogue.find(other, named('a'))).described, undefined);
    });

    it('gives a manifest the type that the image knows it by', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addManifest(inventory, 'm', [], { links: [{ image, origin: endpoint, mediaType: 'of/image' }] });
      await catalogue.link(named('m'), { image: other, origin: endpoint }, 1);
      assert.equal((await catalogue.find(image, named('m'))).content?.mediaType, 'of/image');
      const type = (await inventory.content(named('m')))?.mediaType;
      assert.equal((await catalogue.find(other, named('m'))).content?.mediaType, type);
    });

    it('names contents by images and tags, in the order of the digests', async (t) => {
      const { catalogue } = await open(t);
      await catalogue.link(named('a'), { image: other, origin: endpoint }, 1);
      await tagTo(catalogue, '1', 'b', 1);
      await catalogue.link(named('b'), { image, origin: endpoint }, 1);
      assert.deepEqual(await catalogue.namesOf([named('b'), named('unknown'), named('a')]), [
        { images: [image], tags: [`${image}:1`], selectedBy: [] },
        { images: [], tags: [], selectedBy: [] },
        { images: [other], tags: [], selectedBy: [] },
      ]);
      assert.deepEqual(await catalogue.namesOf([]), []);
    });

    it('knows the manifests of an image that are attached to another, and those that list a content', async (t) => {
      const { catalogue, inventory } = await open(t);
      const signature = { mediaType: mediaTypes.ociManifest, children: [], subject: named('m') };
      const add = (name: string, link: string) =>
        inventory.add(
          { digest: named(name), size: 1, manifest: signature },
          [{ image: link, origin: endpoint }],
          1,
        );
      await addManifest(inventory, 'index', ['m'], { links: [{ image, origin: endpoint }] });
      await add('signature', image);
      await add('elsewhere', other);
      const page = (subject: string, after?: string, limit = 10) =>
        catalogue.referrersOf(image, named(subject), after === undefined ? undefined : named(after), limit);
      assert.deepEqual(await page('m'), [named('signature')]);
      assert.deepEqual(await page('index'), []);
      await add('another', image);
      assert.deepEqual(await page('m'), [named('signature'), named('another')]);
      assert.deepEqual(await page('m', undefined, 1), [named('signature')]);
      assert.deepEqual(await page('m', 'signature'), [named('another')]);
      assert.deepEqual(await page('m', 'another'), []);
      assert.equal((await page('m', 'gone')).length, 2, 'from the first one again');
      assert.deepEqual(await catalogue.parentsOf(image, named('m')), [named('index')]);
      assert.deepEqual(await catalogue.parentsOf(other, named('m')), []);
    });

    it('keeps what is attached to a content that comes later, goes, and comes back', async (t) => {
      const { catalogue, inventory } = await open(t);
      const links = [{ image, origin: 'push' }];
      const attached = () => catalogue.referrersOf(image, named('m'), undefined, 10);
      const payload = { digest: named('payload'), size: 5, mediaType: 'a/b' };
      const plain = { mediaType: mediaTypes.ociManifest, children: [payload] };
      const add = (manifest: Manifest) =>
        inventory.add({ digest: named('signature'), size: 1, manifest }, links, 1);
      await add(plain);
      assert.deepEqual(await attached(), []);
      await add({ ...plain, subject: named('m') });
      assert.deepEqual(await attached(), [named('signature')]);
      for (const remove of [
        () => inventory.drop(named('m')),
        () => inventory.forget(named('m')),
        () => inventory.unlink(image, named('m')),
        () => inventory.purge({ image, digest: named('m') }),
      ]) {
        await remove();
        assert.deepEqual(await attached(), [named('signature')]);
        await addManifest(inventory, 'm', ['a'], { links });
        assert.deepEqual(await attached(), [named('signature')]);
      }
    });

    it('lists what a manifest lists, and says what of it is stored', async (t) => {
      const { catalogue, inventory } = await open(t);
      await addManifest(inventory, 'm', ['a', 'bb', 'a']);
      await addBlob(inventory, 'a', 1);
      const children = await catalogue.children(named('m'));
      const plain = children.map(({ digest, size, stored }) => ({ digest, size, stored }));
      assert.deepEqual(
        plain.toSorted((one, two) => one.size - two.size),
        [
          { digest: named('a'), size: 1, stored: true },
          { digest: named('bb'), size: 2, stored: false },
        ],
      );
      assert.deepEqual(await catalogue.children(named('a')), []);
      assert.deepEqual(await catalogue.children(named('unknown')), []);
    });

    it('keeps lists of upstreams by image, kind and key', async (t) => {
      const { catalogue } = await open(t);
      const list = (text: string, checkedAt: number) => ({ bytes: Buffer.from(text), checkedAt });
      await catalogue.setList(image, 'tags', '', list('[1]', 1));
      await catalogue.setList(image, 'referrers', '', list('[2]', 2));
      await catalogue.setList(image, 'tags', '', list('[3]', 3));
      const found = await catalogue.list(image, 'tags', '');
      assert.equal(Buffer.from(found?.bytes ?? []).toString(), '[3]');
      assert.equal(found?.checkedAt, 3);
      await catalogue.dropList(image, 'tags', '');
      assert.equal(await catalogue.list(image, 'tags', ''), undefined);
      assert.ok(await catalogue.list(image, 'referrers', ''));
      assert.equal(await catalogue.list(other, 'referrers', ''), undefined);
    });

    it('keeps pinned patterns in the order in which they came', async (t) => {
      const { catalogue } = await open(t);
      for (const pattern of ['b/**', 'a/**', 'b/**']) await catalogue.pin(pattern);
      assert.deepEqual(await catalogue.pins(), ['b/**', 'a/**']);
      await catalogue.unpin('b/**');
      await catalogue.unpin('unknown');
      assert.deepEqual(await catalogue.pins(), ['a/**']);
    });
  });
}
