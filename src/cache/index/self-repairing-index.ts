/**
 * An index with a file that may turn out to be damaged while it is used. The file is then replaced by a new one, and the call that
 * met the damage is made again there: what was in the old file counts as absent until it is found again. Where no new file can be made,
 * such as on a disk that is full, the call fails, and the next one tries again.
 *
 * A call that meets a full disk is made again, too, if some space can be freed for it.
 *
 * Damage can show at any call, also while the other parts of the cache are still being made. So a replacement is an event: this
 * index knows no other part, and a listener that registers late is told of what happened before.
 */
import type { IndexRows } from './index-rows.ts';
import type { OpenedIndex } from './open-index.ts';
import { isDamage, isDiskFull } from './sqlite-faults.ts';

type Method = (...args: unknown[]) => unknown;

export interface SelfRepairingIndex extends IndexRows {
  /**
   * Calls the listener in the turn in which the index is replaced, before anything is read from the new one; and at once for each
   * replacement before. The listener may use the index, but an error of its own reaches the call that met the damage.
   */
  whenReplaced(listener: (replacement: Replacement) => void): void;
}

export interface Replacement {
  /** Where the damaged file is now; links and tags can be read from it (`salvage.ts`). */
  readonly setAside: string;
  /** What SQLite said; undefined if the file could not be opened at all, or was set aside by an earlier run. */
  readonly damage: unknown;
}

export interface SelfRepairingIndexDeps {
  /** Sets the file aside, and gives its new name; the index is closed by then. */
  readonly setAside: () => string;
  /** Opens a new file in its place. */
  readonly open: () => OpenedIndex;
  /** Frees some space for the index on a full disk; false if it cannot. */
  readonly makeRoom: () => boolean;
}

/** Takes over an index that was just opened. */
export function createSelfRepairingIndex(
  opened: OpenedIndex,
  { setAside, open, makeRoom }: SelfRepairingIndexDeps,
): SelfRepairingIndex {
  let current = opened.index;
  /** The current index is closed, and a new one is still to be opened. */
  let broken: { readonly damage: unknown; setAside?: string } | undefined;
  /** Of transactions: only the outermost call can be made again. */
  let depth = 0;
  const replacements: Replacement[] = [];
  const listeners: ((replacement: Replacement) => void)[] = [];
  if (opened.setAside !== undefined) replacements.push({ setAside: opened.setAside, damage: undefined });

  function replaceBroken(): void {
    if (!broken) return;
    const { damage } = broken;
    broken.setAside ??= setAside();
    const old = broken.setAside;
    const next = open();
    current = next.index;
    broken = undefined;
    replaced({ setAside: old, damage });
    if (next.setAside !== undefined) replaced({ setAside: next.setAside, damage: undefined });
  }

  function replaced(replacement: Replacement): void {
    replacements.push(replacement);
    for (const listener of listeners) listener(replacement);
  }

  function withRoom<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (depth > 1 || !isDiskFull(error) || !makeRoom()) throw error;
      return work();
    }
  }

  function call(name: keyof IndexRows, args: unknown[]): unknown {
    function attempt(): unknown {
      replaceBroken();
      return (current[name] as Method)(...args);
    }
    depth += 1;
    try {
      return withRoom(attempt);
    } catch (error) {
      if (depth > 1 || broken || !isDamage(error)) throw error;
      broken = { damage: error };
      closeQuietly(current);
      return withRoom(attempt);
    } finally {
      depth -= 1;
    }
  }

  const names = Object.keys(current) as (keyof IndexRows)[];
  const methods = names.map((name) => [name, (...args: unknown[]) => call(name, args)]);
  return {
    ...(Object.fromEntries(methods) as IndexRows),
    whenReplaced(listener) {
      listeners.push(listener);
      replacements.forEach(listener);
    },
  };
}

/** Closing notes in the file that all is in order, and writes what is left of the log. Both may fail: the file is of no use any more. */
function closeQuietly(index: IndexRows): void {
  try {
    index.close();
  } catch {
    // It is closed all the same.
  }
}
