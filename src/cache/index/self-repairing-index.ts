/**
 * An index with a file that may turn out to be damaged while it is used. The file is then replaced by a new one, and the call that
 * met the damage is made again there: what was in the old file counts as absent until it is found again.
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
  /** Sets the file aside and opens a new index; the old one is closed by then. */
  readonly replace: () => OpenedIndex;
  /** Frees some space for the index on a full disk; false if it cannot. */
  readonly makeRoom: () => boolean;
}

/** Takes over an index that was just opened. */
export function createSelfRepairingIndex(
  opened: OpenedIndex,
  { replace, makeRoom }: SelfRepairingIndexDeps,
): SelfRepairingIndex {
  let current = opened.index;
  /** Of transactions: only the outermost call can be made again. */
  let depth = 0;
  const replacements: Replacement[] = [];
  const listeners: ((replacement: Replacement) => void)[] = [];
  if (opened.setAside !== undefined) replacements.push({ setAside: opened.setAside, damage: undefined });

  function repair(damage: unknown): void {
    closeQuietly(current);
    const { index, setAside } = replace();
    current = index;
    if (setAside === undefined) return;
    const replacement = { setAside, damage };
    replacements.push(replacement);
    for (const listener of listeners) listener(replacement);
  }

  function call(name: keyof IndexRows, args: unknown[]): unknown {
    depth += 1;
    try {
      return (current[name] as Method)(...args);
    } catch (error) {
      if (depth > 1) throw error;
      if (isDiskFull(error) && makeRoom()) return (current[name] as Method)(...args);
      if (!isDamage(error)) throw error;
      repair(error);
      return (current[name] as Method)(...args);
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

/** Closing writes what is left of the log, which may meet the damage again. */
function closeQuietly(index: IndexRows): void {
  try {
    index.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
}
