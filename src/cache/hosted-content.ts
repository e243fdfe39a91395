/**
 * What pushes and imports ask of the cache. Every write is durable when its promise resolves: the content, its folder and its row.
 * `hosted` content is never evicted and never revalidated; without it the content is cached like any that was pulled.
 */
import { rm } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { Tag } from '../oci/reference.ts';
import { type BlobStore, type StoredBlob, UnreadableContent } from './blobs/blob-store.ts';
import type { Cache, CachedManifest, NewManifest, Reservation } from './cache.ts';
import type { AccessTimes } from './capacity/access-times.ts';
import type { Capacity } from './capacity/capacity.ts';
import type { Quotas } from './capacity/quotas.ts';
import type { Contents } from './contents.ts';
import { type Catalogue, isFromClient, type Origin } from './index/catalogue.ts';
import type { Inventory } from './index/inventory.ts';
import type { EventCause } from './index/outbox/outbox-event.ts';
import type { PlacementStore } from './index/placements/placement-store.ts';

export interface Kept {
  readonly hosted: boolean;
  /** Hosted by an import, not by a push. */
  readonly imported?: boolean | undefined;
}

export interface HostedContent {
  /**
   * Reserves `bytes` for `image`, after what eviction can give. `written`: how many of them are on the disk by now.
   * Undefined: there is no room.
   */
  reserve(bytes: number, images: readonly string[], written: () => number): Promise<Reservation | undefined>;
  /** The quota of `image` that has no room for so many bytes more, after what eviction can give; undefined: none lacks it. */
  quotaWithoutRoom(image: string, bytes: number): Promise<string | undefined>;
  /** A write failed: one that had no room makes the disk count as full for a while. */
  writeFailed(error: unknown): void;
  /** Hosted tags of the image, sorted by bytes. */
  tags(image: string): Promise<readonly string[]>;
  /** Those of them that an import brought. */
  importedTags(image: string): Promise<readonly string[]>;
  /** Whether the image links anything. */
  knows(image: string): Promise<boolean>;
  /** Stored manifests of the image that are attached to `subject`: a page (`Catalogue.referrersOf`). */
  readonly referrersOf: Catalogue['referrersOf'];
  /** Whether the image can serve this content now: it is stored or in a bucket, and linked. */
  serves(image: string, digest: Digest): Promise<boolean>;
  /** Takes a verified file, which is gone when this resolves, and lets the image serve it. */
  commitBlob(image: string, digest: Digest, size: number, file: string, kept: Kept): Promise<void>;
  /** Whether a bucket has the content, whatever is stored here. */
  isPlaced(digest: Digest): Promise<boolean>;
  /** Makes hosted what the image links by an endpoint's word. False: it is not here, as for `serves`, or not linked any more. */
  adopt(image: string, digest: Digest): Promise<boolean>;
  /** Lets the image serve what is stored or in a bucket already. False: it is neither any more. */
  mountBlob(image: string, digest: Digest, kept: Kept): Promise<boolean>;
  manifest(image: string, digest: Digest): Promise<CachedManifest | undefined>;
  /** The manifest, its link, its tags and its events, all or nothing. `cause`: the push that it comes by. */
  putManifest(
    image: string,
    value: Omit<NewManifest, 'endpoint'>,
    tags: readonly Tag[],
    kept: Kept & { readonly cause?: EventCause | undefined },
  ): Promise<void>;
  /** All images, as `registry/repository`, that can serve the content now. */
  imagesServing(digest: Digest): Promise<readonly string[]>;
  /** An image to which an import brought the content, and that can serve it. */
  importedTo(digest: Digest): Promise<string | undefined>;
  /** Indexes of this image that list the manifest. */
  indexesOf(image: string, digest: Digest): Promise<readonly Digest[]>;
  /** Hosted or cached. */
  taggedDigest(image: string, tag: Tag): Promise<Digest | undefined>;
  /** Whether a client brought the tag there; undefined where there is none. */
  isPushedTag(image: string, tag: Tag): Promise<boolean | undefined>;
  /** Whether a client brought the content to the image; undefined where the image does not link it. */
  isPushed(image: string, digest: Digest): Promise<boolean | undefined>;
  /** False where there was none. Content that no other image needs is removed behind. */
  removeTag(image: string, tag: Tag, cause?: EventCause): Promise<boolean>;
  removeManifest(image: string, digest: Digest, cause?: EventCause): Promise<boolean>;
  /** A manifest, which is a blob as well, goes as by `removeManifest`. */
  removeBlob(image: string, digest: Digest, cause?: EventCause): Promise<boolean>;
}

export interface HostedContentDeps {
  readonly cache: Pick<Cache, 'manifest' | 'putManifest' | 'reserve' | 'writeFailed'>;
  readonly capacity: Pick<Capacity, 'quotaWithoutRoom'>;
  readonly catalogue: Catalogue;
  readonly inventory: Inventory;
  readonly placements: Pick<PlacementStore, 'isPlaced'>;
  readonly contents: Contents;
  readonly quotas: Pick<Quotas, 'update'>;
  readonly store: Pick<BlobStore, 'open'>;
  readonly times: Pick<AccessTimes, 'touch'>;
  readonly clock: Clock;
}

/** Every method rejects when the index or the disk cannot be read or written. */
export function createHostedContent(deps: HostedContentDeps): HostedContent {
  const { cache, catalogue, inventory, contents, quotas, times, clock } = deps;
  const { isPlaced } = deps.placements;
  const fromClient = (origin: Origin | undefined) =>
    origin === undefined ? undefined : isFromClient(origin);
  const originOf = ({ hosted, imported }: Kept) => (!hosted ? 'fill' : imported ? 'bundle' : 'push');
  const deletionBy = (cause: EventCause | undefined) => cause && { cause, at: clock.now() };

  /** The content must be kept from eviction meanwhile. False: the index knows it neither as stored nor in a bucket. */
  function link(image: string, digest: Digest, kept: Kept): Promise<boolean> {
    return quotas.update(digest, async () => {
      if (!(await inventory.content(digest)) && !(await isPlaced(digest))) return false;
      // A blob that is mounted again is in use: `gc` leaves it for a day.
      times.touch(digest);
      await catalogue.link(digest, { image, origin: originOf(kept) }, clock.now());
      return true;
    });
  }

  const isHere = async (digest: Digest) => (await isStored(deps, digest)) || isPlaced(digest);

  async function serves(image: string, digest: Digest): Promise<boolean> {
    const { content, linked } = await catalogue.find(image, digest);
    return linked && (content !== undefined || (await isPlaced(digest)));
  }

  async function mountBlob(image: string, digest: Digest, kept: Kept): Promise<boolean> {
    const used = contents.reading.take(digest);
    try {
      // Before the quotas are locked: what is lost is taken out of them.
      return (await isHere(digest)) && (await link(image, digest, kept));
    } finally {
      used();
    }
  }

  return {
    reserve: cache.reserve,
    quotaWithoutRoom: (image, bytes) => deps.capacity.quotaWithoutRoom(bytes, [image]),
    writeFailed: cache.writeFailed,
    tags: catalogue.hostedTags,
    importedTags: catalogue.importedTags,
    knows: async (image) => (await catalogue.linkedBy(image)).length > 0,
    referrersOf: catalogue.referrersOf,
    serves,
    isPlaced,
    async imagesServing(digest) {
      const isServed = (await inventory.content(digest)) !== undefined || (await isPlaced(digest));
      return isServed ? catalogue.imagesOf(digest) : [];
    },
    async importedTo(digest) {
      if (!(await inventory.content(digest)) && !(await isPlaced(digest))) return undefined;
      for (const image of await catalogue.imagesOf(digest))
        if ((await catalogue.originOf(image, digest)) === 'bundle') return image;
      return undefined;
    },
    indexesOf: (image, digest) => catalogue.parentsOf(image, digest),
    async commitBlob(image, digest, size, file, kept) {
      const arrived = contents.arriving.take(digest);
      try {
        // The file stays until the link is there: a deletion may take what is here at any moment before.
        const isLinked = (await isStored(deps, digest)) && (await link(image, digest, kept));
        if (isLinked) await rm(file, { force: true });
        else await contents.storeBlob(digest, size, file, () => [[image, originOf(kept)]]);
      } finally {
        arrived();
      }
    },
    mountBlob,
    async adopt(image, digest) {
      const used = contents.reading.take(digest);
      // A manifest that lists it is about to come: `gc` leaves it for a day.
      times.touch(digest);
      try {
        return (await isHere(digest)) && (await catalogue.adopt(image, digest, clock.now()));
      } finally {
        used();
      }
    },
    manifest: cache.manifest,
    async putManifest(image, value, tags, kept) {
      const { digest, bytes, mediaType, manifest } = value;
      const origin = originOf(kept);
      const arrived = contents.arriving.take(digest);
      try {
        await cache.putManifest(image, { ...value, endpoint: origin });
        const content = { digest, size: bytes.length, manifest: { ...manifest, mediaType } };
        const links = [{ image, origin, mediaType, tags, cause: kept.cause }];
        await quotas.update(digest, () => inventory.add(content, links, clock.now()));
      } finally {
        arrived();
      }
    },
    taggedDigest: async (image, tag) => (await catalogue.tag(image, tag))?.digest,
    isPushedTag: async (image, tag) => fromClient((await catalogue.tag(image, tag))?.endpoint),
    isPushed: async (image, digest) => fromClient(await catalogue.originOf(image, digest)),
    removeTag: (image, tag, cause) => catalogue.removeTag(image, tag, deletionBy(cause)),
    async removeManifest(image, digest, cause) {
      const { content } = await catalogue.find(image, digest);
      // One whose file is lost has no type any more.
      const isBlob = content !== undefined && content.mediaType === undefined;
      return isBlob ? false : contents.unlink(image, digest, deletionBy(cause));
    },
    async removeBlob(image, digest, cause) {
      const { content, linked } = await catalogue.find(image, digest);
      const isHere = linked && (content !== undefined || (await inventory.isHosted(digest)));
      const isManifest = content?.mediaType !== undefined;
      return isHere ? contents.unlink(image, digest, isManifest ? deletionBy(cause) : undefined) : false;
    },
  };
}

/** By the index, and as far as a look at the file tells. A content without its file is lost. Rejects with an error that passes. */
async function isStored(
  { inventory, store, contents }: Pick<HostedContentDeps, 'inventory' | 'store' | 'contents'>,
  digest: Digest,
): Promise<boolean> {
  const content = await inventory.content(digest);
  if (!content) return false;
  let file: StoredBlob | undefined;
  try {
    file = await store.open(digest);
  } catch (error) {
    if (!(error instanceof UnreadableContent)) throw error;
    await contents.unreadable(digest, error);
    return false;
  }
  file?.close();
  if (file?.size === content.size) return true;
  await contents.discard(digest, file ? `its file has ${file.size} bytes` : 'its file is missing');
  return false;
}
