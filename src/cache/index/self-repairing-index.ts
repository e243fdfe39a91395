/**
 * An index whose file may turn out to be damaged while it is used. It is then replaced by a new one, and the call
 * that found out is made again there: what was in the old one counts as absent until it is found again.
 *
 * A call that meets a full disk is made again, too, if some room can be made for it.
 */
import type { IndexStore } from './index-store.ts';
import { isDamage, isDiskFull } from './open-index.ts';

type Method = (...args: unknown[]) => unknown;

export interface HealingOptions {
  /** Opens the new index; the old one is closed by then. */
  readonly replace: (damage: unknown) => IndexStore;
  /** Gives the index some room on a full disk; false if it cannot. */
  readonly makeRoom: () => boolean;
}

export function createHealingIndex(first: IndexStore, { replace, makeRoom }: HealingOptions): IndexStore {
  let current = first;
  /** Of transactions: only the outermost call can be made again. */
  let depth = 0;

  function call(name: keyof IndexStore, args: unknown[]): unknown {
    depth += 1;
    try {
      return (current[name] as Method)(...args);
    } catch (error) {
      if (depth > 1) throw error;
      if (isDiskFull(error) && makeRoom()) return (current[name] as Method)(...args);
      if (!isDamage(error)) throw error;
      closeQuietly(current);
      current = replace(error);
      return (current[name] as Method)(...args);
    } finally {
      depth -= 1;
    }
  }

  const names = Object.keys(first) as (keyof IndexStore)[];
  const methods = names.map((name) => [name, (...args: unknown[]) => call(name, args)]);
  return Object.fromEntries(methods) as IndexStore;
}

/** Closing writes what is left of the log, which may meet the damage again. */
function closeQuietly(index: IndexStore): void {
  try {
    index.close();
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
}
