/**
 * What is never evicted: the patterns of the configuration, and those that people added while it ran. The latter are
 * kept in the index, as are the marks that eviction makes on pinned contents: those mean nothing once the pins change.
 */

import { type NamePattern, namePattern } from '../../lib/name-patterns.ts';
import type { IndexStore } from '../index/index-store.ts';

export interface Pins {
  /** Matches `registry/repository` and `registry/repository:tag`; undefined where nothing is pinned. */
  readonly pattern: NamePattern | undefined;
  readonly configured: readonly string[];
  readonly added: readonly string[];
  /** False where it was there, or was not. */
  add(pattern: string): boolean;
  remove(pattern: string): boolean;
  /** Other ones from the configuration. Changes nothing where the index cannot be written, which it throws. */
  configure(patterns: readonly string[]): void;
  /** Writes them to an index that is new. */
  rewrite(): void;
}

const addedKey = 'added-pins';
const allKey = 'pins';

export function createPins(index: IndexStore, patterns: readonly string[]): Pins {
  let configured: readonly string[] = [];
  let added: readonly string[] = [];
  let pattern: NamePattern | undefined;

  function write(next: { configured: readonly string[]; added: readonly string[] }): void {
    const wanted = [...next.configured, ...next.added];
    const all = JSON.stringify(wanted);
    index.transaction(() => {
      index.setMeta(addedKey, JSON.stringify(next.added));
      if (index.meta(allKey) === all) return;
      index.unpinAll();
      index.setMeta(allKey, all);
    });
    ({ configured, added } = next);
    pattern = namePattern(wanted);
  }

  write({ configured: patterns, added: JSON.parse(index.meta(addedKey) ?? '[]') as readonly string[] });
  return {
    get pattern() {
      return pattern;
    },
    get configured() {
      return configured;
    },
    get added() {
      return added;
    },
    add(wanted) {
      if (added.includes(wanted)) return false;
      write({ configured, added: [...added, wanted] });
      return true;
    },
    remove(wanted) {
      if (!added.includes(wanted)) return false;
      write({ configured, added: added.filter((other) => other !== wanted) });
      return true;
    },
    configure: (wanted) => write({ configured: wanted, added }),
    rewrite: () => write({ configured, added }),
  };
}
