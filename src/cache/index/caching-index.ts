/**
 * An index that answers the two questions of every request from memory where it can: what a tag means, and whether an image
 * links a content that is here. In SQLite they were a third of what a manifest from the cache cost.
 *
 * Only what was found is remembered, so nothing that is new can make an answer wrong; what changes or drops a row
 * forgets first what may have been answered from it, and nothing else: while thousands of contents are evicted, all that stays
 * is answered as before. A transaction that fails forgets everything.
 */
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/digest.ts';
import type { CachedTag } from '../cache.ts';
import type { IndexStore, StoredRow } from './index-store.ts';

export interface RememberedIndex extends IndexStore {
  /** When the index behind has been replaced. */
  forgetAll(): void;
}

/** Answers of each kind: some hundred bytes each. */
const maxRemembered = 20_000;

export function createRememberedIndex(index: IndexStore): RememberedIndex {
  const tags = new LRUCache<string, CachedTag>({ max: maxRemembered });
  const contents = new LRUCache<string, StoredRow>({ max: maxRemembered });

  function forgetAll(): void {
    tags.clear();
    contents.clear();
  }

  /** What may have been answered with this content: by the images that link it, and by the tags that point there. */
  function forget(digest: Digest): void {
    for (const name of index.namesOf(digest)) {
      tags.delete(name);
      contents.delete(`${name}@${digest}`);
    }
  }

  return {
    ...index,
    forgetAll,

    tag(image, tag) {
      const key = `${image}:${tag}`;
      const known = tags.get(key) ?? index.tag(image, tag);
      if (known) tags.set(key, known);
      return known;
    },
    setTag(image, tag, value, now) {
      tags.delete(`${image}:${tag}`);
      index.setTag(image, tag, value, now);
    },
    dropTag(image, tag, at, now) {
      tags.delete(`${image}:${tag}`);
      index.dropTag(image, tag, at, now);
    },

    linkedContent(image, digest) {
      const key = `${image}@${digest}`;
      const known = contents.get(key) ?? index.linkedContent(image, digest);
      if (known) contents.set(key, known);
      return known;
    },
    link(image, digest, endpoint, used, mediaType) {
      if (mediaType !== undefined) contents.delete(`${image}@${digest}`);
      index.link(image, digest, endpoint, used, mediaType);
    },
    unlink(image, digest) {
      contents.delete(`${image}@${digest}`);
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
      // What was only heard of through it goes as well.
      for (const child of index.children(digest)) if (!child.stored) forget(child.digest);
      return index.dropContent(digest);
    },
    loseContent(digest) {
      forget(digest);
      index.loseContent(digest);
    },
    transaction(work) {
      try {
        return index.transaction(work);
      } catch (error) {
        forgetAll();
        throw error;
      }
    },
  };
}
