/**
 * What is never evicted: the patterns of the configuration, and those that people added while it ran. The latter are
 * kept in the index, as are the marks that eviction makes on pinned contents: those mean nothing once the pins change.
 */
import type { IndexStore } from './index/index-store.ts';
import { type NamePattern, namePattern } from './name-patterns.ts';

export interface Pins {
  /** Matches `registry/repository` and `registry/repository:tag`; undefined where nothing is pinned. */
  readonly pattern: NamePattern | undefined;
  readonly configured: readonly string[];
  readonly added: readonly string[];
  /** False where it was there, or was not. */
  add(pattern: string): boolean;
  remove(pattern: string): boolean;
  /** Writes them to an index that is new. */
  rewrite(): void;
}

const addedKey = 'added-pins';
const allKey = 'pins';

export function createPins(index: IndexStore, configured: readonly string[]): Pins {
  let added = JSON.parse(index.meta(addedKey) ?? '[]') as readonly string[];
  let pattern = namePattern([...configured, ...added]);

  function rewrite(): void {
    pattern = namePattern([...configured, ...added]);
    const all = JSON.stringify([...configured, ...added]);
    index.transaction(() => {
      index.setMeta(addedKey, JSON.stringify(added));
      if (index.meta(allKey) === all) return;
      index.unpinAll();
      index.setMeta(allKey, all);
    });
  }

  rewrite();
  return {
    get pattern() {
      return pattern;
    },
    configured,
    get added() {
      return added;
    },
    add(wanted) {
      if (added.includes(wanted)) return false;
      added = [...added, wanted];
      rewrite();
      return true;
    },
    remove(wanted) {
      if (!added.includes(wanted)) return false;
      added = added.filter((other) => other !== wanted);
      rewrite();
      return true;
    },
    rewrite,
  };
}
