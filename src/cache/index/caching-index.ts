/**
 * An index that answers the two questions of every request from memory where it can: what a tag means, and whether an image
 * links a content that is stored. In SQLite they were a third of what a manifest from the cache cost.
 *
 * Only what was found is remembered, so nothing new can make an answer wrong. A write first forgets the answers that it changes,
 * and no others: while thousands of contents are evicted, all that stays is answered as before. A transaction that fails forgets
 * everything. All of this happens in one turn with the statements behind it, so no answer can be remembered too late.
 */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';
import type { CachedTag, StoredContent } from '../cache.ts';
import type { IndexRows } from './index-rows.ts';

export interface CachingIndex extends IndexRows {
  /** Call it when the index behind has been replaced. */
  forgetAll(): void;
}

/** Tags, and contents with all their images: some hundred bytes each. */
const maxRemembered = 20_000;
/** Images of one content that are remembered. A base layer may belong to very many. */
const maxImages = 100;

/** Tags by their names, findable by the digest as well. */
class RememberedTags {
  readonly #namesOf = new Map<Digest, Set<string>>();
  readonly #tags = new LRUCache<string, CachedTag>({
    max: maxRemembered,
    dispose: ({ digest }, name) => this.#unlist(digest, name),
  });

  get(name: string): CachedTag | undefined {
    return this.#tags.get(name);
  }

  set(name: string, tag: CachedTag): void {
    this.#tags.set(name, tag);
    const names = this.#namesOf.get(tag.digest);
    if (names) names.add(name);
    else this.#namesOf.set(tag.digest, new Set([name]));
  }

  delete(name: string): void {
    this.#tags.delete(name);
  }

  /** Forgets the tags that point to the digest. */
  deleteAllOf(digest: Digest): void {
    for (const name of this.#namesOf.get(digest) ?? []) this.#tags.delete(name);
  }

  clear(): void {
    this.#tags.clear();
  }

  #unlist(digest: Digest, name: string): void {
    const names = this.#namesOf.get(digest);
    names?.delete(name);
    if (names?.size === 0) this.#namesOf.delete(digest);
  }
}

/** Every method throws what the index behind throws. */
export function createCachingIndex(index: IndexRows): CachingIndex {
  const tags = new RememberedTags();
  const contents = new LRUCache<Digest, Map<string, StoredContent>>({ max: maxRemembered });

  function forgetAll(): void {
    tags.clear();
    contents.clear();
  }

  /** What a transaction that fails has remembered may be wrong. */
  function orForget<T>(transaction: () => T): T {
    try {
      return transaction();
    } catch (error) {
      forgetAll();
      throw error;
    }
  }

  function forget(digest: Digest): void {
    tags.deleteAllOf(digest);
    contents.delete(digest);
  }

  function remember(image: string, content: StoredContent): void {
    const images = contents.get(content.digest);
    if (images && images.size < maxImages) images.set(image, content);
    else contents.set(content.digest, new Map([[image, content]]));
  }

  return {
    ...index,
    forgetAll,

    tag(image, tag) {
      const name = `${image}:${tag}`;
      const remembered = tags.get(name);
      if (remembered) return remembered;
      const known = index.tag(image, tag);
      if (known) tags.set(name, known);
      return known;
    },
    setTag(image, tag, value, now) {
      tags.delete(`${image}:${tag}`);
      index.setTag(image, tag, value, now);
    },
    confirmTag(image, tag, checkedAt, now = Number.MAX_SAFE_INTEGER) {
      const name = `${image}:${tag}`;
      const known = tags.get(name);
      index.confirmTag(image, tag, checkedAt, now);
      // Nothing is remembered of an index that was replaced in this call.
      if (!known || tags.get(name) !== known) return;
      const isNewer = known.checkedAt > checkedAt && known.checkedAt <= now;
      if (!isNewer) tags.set(name, { ...known, checkedAt });
    },
    dropTag(image, tag, at, now) {
      tags.delete(`${image}:${tag}`);
      index.dropTag(image, tag, at, now);
    },

    linkedContent(image, digest) {
      const remembered = contents.get(digest)?.get(image);
      if (remembered) return remembered;
      const known = index.linkedContent(image, digest);
      if (known) remember(image, known);
      return known;
    },
    link(image, digest, origin, used, mediaType) {
      if (mediaType !== undefined) contents.get(digest)?.delete(image);
      index.link(image, digest, origin, used, mediaType);
    },
    unlink(image, digest) {
      contents.get(digest)?.delete(image);
      index.unlink(image, digest);
    },
    addBlob(digest, size, used) {
      forget(digest);
      index.addBlob(digest, size, used);
    },
    addManifest(digest, size, manifest, used) {
      forget(digest);
      index.addManifest(digest, size, manifest, used);
    },
    dropContent(digest) {
      forget(digest);
      const forgotten = index.dropContent(digest);
      forgotten.forEach(forget);
      return forgotten;
    },
    loseContent(digest) {
      forget(digest);
      index.loseContent(digest);
    },
    evict(chosen) {
      const evicted = index.evict(chosen);
      for (const digest of [...evicted.gone, ...evicted.forgotten]) forget(digest);
      return evicted;
    },
    durably: (work) => orForget(() => index.durably(work)),
    transaction: (work) => orForget(() => index.transaction(work)),
  };
}
