/** The eviction order over the rows of SQLite. Each command is one transaction and runs in one turn. */
import type { EvictionOrder } from './eviction-order.ts';
import type { IndexRows } from './index-rows.ts';

const pinsKey = 'pins';

/** Rejects as the interface says. */
export function createSqliteEvictionOrder(rows: IndexRows): EvictionOrder {
  return {
    touch: async (uses, now) => rows.touch(uses, now),
    ageFutureUses: async (now) => rows.ageFutureUses(now),
    oldest: async (after, limit) => rows.oldestBatch(after, limit),
    evict: async (chosen) => rows.evict(chosen).gone,
    pin: async (digests) => rows.transaction(() => digests.forEach(rows.setPinned)),
    async pinsAre(patterns) {
      const all = JSON.stringify(patterns);
      rows.transaction(() => {
        if (rows.meta(pinsKey) === all) return;
        rows.unpinAll();
        rows.setMeta(pinsKey, all);
      });
    },
  };
}
