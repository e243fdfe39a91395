/**
 * An index that answers the two questions of every request from memory where it can: what a tag means, and whether an image
 * links a content that is here. In SQLite they were a third of what a manifest from the cache cost.
 *
 * Only what was found is remembered, so nothing that is added can make an answer wrong; what changes or drops a row
 * forgets it first, and a transaction that fails forgets everything.
 */
import { LRUCache } from 'lru-cache';
import type { CachedTag } from '../cache.ts';
import type { IndexStore, StoredContent } from './index-store.ts';

export interface RememberedIndex extends IndexStore {
  /** When the index behind has been replaced. */
  forgetAll(): void;
}

/** Answers of each kind: some hundred bytes each. */
const maxRemembered = 20_000;

export function createRememberedIndex(index: IndexStore): RememberedIndex {
  const tags = new LRUCache<string, CachedTag>({ max: maxRemembered });
  const contents = new LRUCache<string, StoredContent>({ max: maxRemembered });

  function forgetAll(): void {
    tags.clear();
    contents.clear();
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
    setTag(image, tag, value) {
      tags.delete(`${image}:${tag}`);
      index.setTag(image, tag, value);
    },
    dropTag(image, tag) {
      tags.delete(`${image}:${tag}`);
      index.dropTag(image, tag);
    },

    linkedContent(image, digest) {
      const key = `${image}@${digest}`;
      const known = contents.get(key) ?? index.linkedContent(image, digest);
      if (known) contents.set(key, known);
      return known;
    },
    unlink(image, digest) {
      contents.delete(`${image}@${digest}`);
      index.unlink(image, digest);
    },
    addBlob(digest, size, used) {
      contents.clear();
      index.addBlob(digest, size, used);
    },
    addManifest(digest, size, manifest, used) {
      contents.clear();
      index.addManifest(digest, size, manifest, used);
    },
    dropContent(digest) {
      forgetAll();
      return index.dropContent(digest);
    },
    loseContent(digest) {
      contents.clear();
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
