/** The index as the rest of the cache sees it: its seams over the rows of SQLite, with recent answers in memory. */
import type { JobInbox } from '../../jobs/job-inbox.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { createCachingIndex } from './caching-index.ts';
import type { Catalogue } from './catalogue.ts';
import type { EvictionOrder } from './eviction-order.ts';
import { createFactBook, type FactBook, forgetAllFacts } from './facts/fact-book.ts';
import { createFactRecorder, noFacts } from './facts/fact-recorder.ts';
import { replaceOrigin, type Sharing } from './facts/sharing.ts';
import type { Inventory } from './inventory.ts';
import { createSqliteInbox } from './jobs/sqlite-inbox.ts';
import { createSqliteJobs } from './jobs/sqlite-jobs.ts';
import type { Listing } from './listing.ts';
import { createEventRecorder, type WantedBy } from './outbox/event-recorder.ts';
import { createSqliteOutbox, type SqliteOutbox } from './outbox/sqlite-outbox.ts';
import type { PlacementStore } from './placements/placement-store.ts';
import { createSqlitePlacements } from './placements/sqlite-placements.ts';
import type { ReplicaStore } from './replicas/replica-store.ts';
import { createSqliteReplicas, interruptReplicas } from './replicas/sqlite-replicas.ts';
import { type Salvaged, type SalvageOptions, salvage } from './salvage.ts';
import type { Selections } from './selections/selections.ts';
import { createSqliteSelections } from './selections/sqlite-selections.ts';
import type { SelfRepairingIndex } from './self-repairing-index.ts';
import { createSqliteCatalogue } from './sqlite-catalogue.ts';
import { createSqliteEvictionOrder } from './sqlite-eviction-order.ts';
import { createSqliteInventory } from './sqlite-inventory.ts';
import { createSqliteListing } from './sqlite-listing.ts';
import type { VerdictStore } from './verdicts/verdict-store.ts';

export interface CacheIndex {
  readonly catalogue: Catalogue;
  readonly inventory: Inventory;
  readonly order: EvictionOrder;
  readonly listing: Listing;
  readonly jobs: JobStore;
  readonly replicas: ReplicaStore;
  readonly inbox: JobInbox;
  readonly outbox: Omit<SqliteOutbox, 'write'>;
  readonly selections: Selections;
  readonly placements: PlacementStore;
  readonly verdicts: VerdictStore;
  /** Undefined where facts are not shared. */
  readonly facts: FactBook | undefined;
  /** For a process that alone uses the index, when it starts: the tags that an earlier one was at are pending. Throws what SQLite throws. */
  interruptReplicas(): void;
  /** For an index that shared facts before. */
  forgetFacts(isStopped: () => boolean): Promise<void>;
  /** Reads links and tags from a damaged index file that was set aside. See `salvage.ts`. */
  salvage(file: string, options: SalvageOptions): Promise<Salvaged>;
  /** Nothing may be asked afterwards. Throws what SQLite throws. */
  close(): void;
}

/**
 * The methods of the seams reject with what SQLite throws, unless the index could be repaired or given space. `wantedBy`: which sinks
 * want an event, asked at each change. With `sharing`, changes that other replicas need become facts.
 */
export function createCacheIndex(
  repairing: SelfRepairingIndex,
  wantedBy: WantedBy,
  sharing?: Sharing,
): CacheIndex {
  const rows = createCachingIndex(repairing);
  repairing.whenReplaced(rows.forgetAll);
  const outbox = createSqliteOutbox(rows);
  const events = createEventRecorder(outbox.write, wantedBy);
  const facts = sharing ? createFactRecorder(rows, sharing) : noFacts;
  return {
    catalogue: createSqliteCatalogue(rows, events, facts),
    inventory: createSqliteInventory(rows, events, facts),
    order: createSqliteEvictionOrder(rows),
    listing: createSqliteListing(rows),
    jobs: createSqliteJobs(rows),
    replicas: createSqliteReplicas(rows, facts),
    inbox: createSqliteInbox(rows),
    outbox,
    selections: createSqliteSelections(rows, facts),
    placements: createSqlitePlacements(rows),
    verdicts: {
      find: async (key) => rows.verdict(key),
      put: async (key, verdict) => rows.putVerdict(key, verdict),
    },
    facts: sharing && createFactBook(rows, sharing),
    interruptReplicas() {
      if (!sharing) return interruptReplicas(rows, facts, () => true);
      replaceOrigin(rows, sharing.origin, (before) => {
        interruptReplicas(rows, facts, (name) => {
          const known = rows.knownFact(name);
          return !known || known.origin === before;
        });
      });
    },
    forgetFacts: (isStopped) => forgetAllFacts(rows, isStopped),
    salvage: (file, options) => salvage(file, rows, options),
    close: rows.close,
  };
}
