/** A store of shared tokens in memory. For tests that need no PostgreSQL. */
import type { TokenRow, TokenStore } from '../../src/cache/shared/token-store.ts';
import { Unavailable } from '../../src/cache/shared/unavailable.ts';

export interface MemoryTokens extends TokenStore {
  /** Whether it can be asked. One that comes back says so. */
  isThere(there: boolean): void;
}

/** Empty. */
export function createMemoryTokens(): MemoryTokens {
  const rows = new Map<string, TokenRow>();
  const listeners = new Set<() => void>();
  let there = true;
  const check = () => {
    if (!there) throw new Unavailable('it is gone');
  };
  const tell = () => {
    for (const onChange of listeners) onChange();
  };

  return {
    async all() {
      check();
      return [...rows.values()].toSorted((a, b) => (a.hash < b.hash ? -1 : 1));
    },
    async put(told) {
      check();
      const news = told.filter(({ hash, revoked }) => {
        const known = rows.get(hash);
        return !known || (known.revoked === undefined && revoked !== undefined);
      });
      for (const row of news) rows.set(row.hash, row);
      if (news.length > 0) tell();
    },
    changed(onChange) {
      listeners.add(onChange);
      return () => void listeners.delete(onChange);
    },
    isThere(now) {
      there = now;
      if (now) tell();
    },
  };
}
