/** The rows of the index in SQLite: one connection, every statement prepared once. */
import type { Database } from 'better-sqlite3';
import { createBatchRows } from './batch-rows.ts';
import { createContentIds, createContentRows } from './content-rows.ts';
import { createEvictRows } from './evict-rows.ts';
import { createEvictionRows } from './eviction-rows.ts';
import { createFactRows } from './facts/fact-rows.ts';
import { closeHostedCopy } from './hosted-copy.ts';
import { createHostedRows } from './hosted-rows.ts';
import type { IndexRows } from './index-rows.ts';
import { createJobRows } from './jobs/job-rows.ts';
import { createLinkRows } from './link-rows.ts';
import { createListRows } from './list-rows.ts';
import { createListingRows } from './listing-rows.ts';
import { createOutboxRows } from './outbox/outbox-rows.ts';
import { createPlacementRows } from './placements/placement-rows.ts';
import { createReplicaRows } from './replicas/replica-rows.ts';
import { createSelectionRows } from './selections/selection-rows.ts';
import { createNames } from './string-table.ts';
import { createTagRows } from './tag-rows.ts';
import { createVerdictRows } from './verdicts/verdict-rows.ts';

/** Takes over the database, which has the schema of `migrations.ts`. Every method throws what SQLite throws. */
export function createSqliteIndex(db: Database): IndexRows {
  const names = createNames(db);
  const ids = createContentIds(db);
  const selectMeta = db.prepare<[string], string>('SELECT value FROM meta WHERE key = ?').pluck();
  const upsertMeta = db.prepare<[string, string]>(
    'INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  );
  const atomically = db.transaction((work: () => unknown) => work());
  return {
    ...createTagRows(db, names, ids),
    ...createContentRows(db, names, ids),
    ...createLinkRows(db, names, ids),
    ...createListRows(db, names),
    ...createEvictionRows(db),
    ...createHostedRows(db, names),
    ...createBatchRows(db),
    ...createEvictRows(db),
    ...createListingRows(db, names),
    ...createJobRows(db),
    ...createReplicaRows(db),
    ...createOutboxRows(db),
    ...createSelectionRows(db),
    ...createVerdictRows(db),
    ...createFactRows(db, names),
    ...createPlacementRows(db),
    transaction: <T>(work: () => T) => atomically(work) as T,
    durably<T>(work: () => T): T {
      // With NORMAL, a commit reaches the disk with the next checkpoint only. SQLite takes the other mode between transactions.
      db.pragma('synchronous = FULL');
      try {
        return atomically(work) as T;
      } finally {
        db.pragma('synchronous = NORMAL');
      }
    },
    meta: (key) => selectMeta.get(key),
    setMeta: (key, value) => upsertMeta.run(key, value),
    close() {
      try {
        closeHostedCopy(db);
      } finally {
        db.close();
      }
    },
  };
}
