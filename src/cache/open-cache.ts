/**
 * Opens a data folder and gives the cache in it. The order matters: folder, lock, index, parts (`cache-parts.ts`); then the listeners
 * are registered, and the work in the background starts.
 */
import { readFileSync } from 'node:fs';
import type { JobInbox } from '../jobs/job-inbox.ts';
import type { JobStore } from '../jobs/job-store.ts';
import { freeOnDisk } from '../lib/disk-space.ts';
import type { Cache } from './cache.ts';
import { type CacheAdmin, createCacheAdmin } from './cache-admin.ts';
import {
  type CacheDeps,
  type CacheOptions,
  type CacheParts,
  type CacheSettings,
  createCacheParts,
} from './cache-parts.ts';
import { createReserveFile, type ReserveFile } from './capacity/reserve-file.ts';
import { type Copies, createCopies } from './copies.ts';
import { type DataFolder, prepareDataFolder, problemOf, unusable } from './data-folder.ts';
import { createHostedContent, type HostedContent } from './hosted-content.ts';
import { type DataLock, lockData } from './index/data-lock.ts';
import { openIndex, setAsideIndex, unsalvaged } from './index/open-index.ts';
import type { OutboxQueue, OutboxStore } from './index/outbox/outbox-store.ts';
import type { PlacementStore } from './index/placements/placement-store.ts';
import type { ReplicaStore } from './index/replicas/replica-store.ts';
import type { Selections } from './index/selections/selections.ts';
import { createSelfRepairingIndex, type Replacement } from './index/self-repairing-index.ts';
import { isDiskFull } from './index/sqlite-faults.ts';
import type { VerdictStore } from './index/verdicts/verdict-store.ts';
import { createLocalCache } from './local-cache.ts';
import type { Notices } from './notices.ts';
import type { RareLog } from './rare-log.ts';
import { finishRestore } from './restored-folder.ts';
import { createSharedFacts, type SharedFacts } from './shared/shared-facts.ts';
import { createSnapshots, type Snapshots } from './snapshots.ts';

export interface OpenCache extends Cache {
  /** For pushes and imports. */
  readonly hosted: HostedContent;
  readonly admin: CacheAdmin;
  /** Durable jobs, in the index. */
  readonly jobs: JobStore;
  /** States of the tags that are synced, in the index; shared as facts. */
  readonly replicas: ReplicaStore;
  /** Notices that add jobs, in the same transaction. */
  readonly inbox: JobInbox;
  /** In which buckets each content is, in the index. */
  readonly placements: PlacementStore;
  /** Stored contents, to be copied to buckets. */
  readonly copies: Copies;
  /** Calls the listener each time that a content was stored. */
  whenStored(listener: () => void): void;
  /** Events for other systems, in the index. */
  readonly outbox: OutboxStore;
  /** The same as a queue of what is moved to the outbox that replicas share. */
  readonly outboxQueue: OutboxQueue;
  /** Adds an event for the sinks that want it. Never rejects. */
  readonly tell: Notices['tell'];
  /** For backups. */
  readonly snapshots: Snapshots;
  /** Facts that other replicas share; undefined where they are not shared. */
  readonly facts: SharedFacts | undefined;
  /** What each `[[sync]]` block selects, in the index; shared as facts. */
  readonly selections: Selections;
  /** What gates have said of images, in the index. */
  readonly verdicts: VerdictStore;
  /**
   * Puts other settings in force. What no longer fits goes in the background, at once. Rejects when the index cannot be written; then
   * the old ones stay.
   */
  configure(settings: CacheSettings): Promise<void>;
}

/** Throws EntrepotError: DATA_LOCKED, DATA_UNUSABLE, INDEX_TOO_NEW. */
export async function openCache(deps: CacheDeps, options: CacheOptions): Promise<OpenCache> {
  const folder = prepareDataFolder(options.data);
  const { clock, freeBytes = freeOnDisk } = deps;
  const free = () => freeBytes(options.data);
  const reserve = createReserveFile({ path: folder.reserve, clock, free });
  const cache = await openFolder(deps, options, folder, reserve);
  await reserve.restore();
  return cache;
}

async function openFolder(
  deps: CacheDeps,
  options: CacheOptions,
  folder: DataFolder,
  reserve: ReserveFile,
): Promise<OpenCache> {
  let lock: DataLock | undefined;
  try {
    const { clock, log, boot = bootOfLinux } = deps;
    lock = lockData(folder.lock, { boot: boot(), afterPowerCut: () => forgetIncoming(log, folder) });
    if (finishRestore(options.data))
      log.warn({ event: 'cache.restoreUnfinished' }, 'a restore into this folder was not finished');
    folder.incoming.removeUnfinishedWrites();
    const repairing = createSelfRepairingIndex(openIndex(folder.index, clock.now()), {
      setAside: () => setAsideIndex(folder.index, clock.now()),
      open: () => openIndex(folder.index, clock.now()),
      makeRoom: reserve.spend,
    });
    const parts = createCacheParts(deps, options, { folder, reserve, lock, repairing });
    await parts.pins.configure(options.pins, options.pinnedBy);
    await parts.index.placements.storesAre(options.buckets ?? []);
    // Under the lock: what the index calls running belongs to a process that is gone.
    repairing.loseRuns(clock.now());
    parts.index.interruptReplicas();
    return start(parts, deps, options);
  } catch (error) {
    lock?.release(false);
    // A server that comes back on a full disk serves what is there.
    if (isDiskFull(error) && reserve.spend()) return await openFolder(deps, options, folder, reserve);
    reserve.stop();
    throw unusable(options.data, error);
  }
}

/** Registers the listeners, starts the work in the background, and gives the cache. */
function start(parts: CacheParts, { log, onDamaged }: CacheDeps, { buckets = [] }: CacheOptions): OpenCache {
  const { folder, index, contents, store, quotas, pins, capacity, maintenance, state, isStopped } = parts;

  function replaced({ setAside, damage }: Replacement): void {
    onDamaged?.('index');
    log.error(
      { event: 'cache.indexDamaged', file: setAside, err: damage },
      'the index was damaged: it was set aside and is being rebuilt',
    );
    parts.checkpointer.reopen();
    index.placements
      .storesAre(buckets)
      .catch(parts.failed({ event: 'cache.indexUnwritable' }, 'the buckets could not be written'));
    pins.rewrite().catch(parts.failed({ event: 'cache.indexUnwritable' }, 'the pins could not be written'));
    maintenance.salvage(setAside);
  }

  for (const file of unsalvaged(folder.index)) maintenance.salvage(file);
  parts.reserve.whenSpent(capacity.check);
  parts.repairing.whenReplaced(replaced);
  const reconciled = maintenance.run();
  // Where facts are shared later, what is known of them now would be wrong.
  const forgotten = index.facts
    ? undefined
    : index
        .forgetFacts(isStopped)
        .catch(parts.failed({ event: 'cache.indexUnwritable' }, 'old facts could not be removed'));

  let recounted: Promise<void> | undefined;
  async function configure(next: CacheSettings): Promise<void> {
    await pins.configure(next.pins, next.pinnedBy);
    state.settings = next;
    if (quotas.replace(next.quotas)) {
      recounted = quotas
        .count(isStopped)
        .then(capacity.check)
        .catch(parts.failed({ event: 'cache.quotasNotCounted' }, 'the quotas could not be counted'));
    }
    capacity.limitsChanged();
  }

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    state.isStopped = true;
    contents.stop();
    parts.reserve.stop();
    const { checkpointer } = parts;
    await Promise.all([maintenance.idle(), recounted, forgotten, capacity.stop(), checkpointer.stop()]);
    await contents.deletionsOver();
    await store.close();
    await parts.times.close();
    attempt('the index could not be closed in order', index.close);
    const isFlushed = await folder.incoming.flush().then(
      () => true,
      (error: unknown) => {
        parts.failed({ event: 'cache.closeFailed' }, 'transfers in flight could not be flushed')(error);
        return false;
      },
    );
    attempt('the data folder could not be released in order', () => parts.lock.release(isFlushed));
  }

  /** For what a full or broken disk may refuse, and what must not keep the rest from happening. */
  function attempt(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      parts.failed({ event: 'cache.closeFailed' }, what)(error);
    }
  }

  const cache = createLocalCache({
    ...parts,
    incoming: folder.incoming,
    close: () => {
      closed ??= close();
      return closed;
    },
  });
  const admin = createCacheAdmin({
    ...parts,
    reconciled,
    explain: (error) => unusable(folder.index, error),
    problem: () => problemOf(folder),
    maxSize: () => state.settings.maxSize,
    minFree: () => state.settings.minFree,
    disk: () => store.space(),
    reconcile: maintenance.run,
  });
  const { jobs, inbox, outbox, replicas, selections, placements, verdicts } = index;
  const copies = createCopies(parts);
  const hosted = createHostedContent({ ...parts, cache, placements });
  const { tell } = parts.notices;
  const snapshots = createSnapshots({ folder, contents, store });
  const whenStored = (listener: () => void) => contents.whenStored(listener);
  const facts = index.facts && createSharedFacts(index.facts, parts);
  const rows = { jobs, inbox, outbox, outboxQueue: outbox, replicas, selections, placements, verdicts };
  return { ...cache, ...rows, facts, admin, tell, hosted, copies, snapshots, whenStored, configure };
}

function forgetIncoming(log: RareLog, folder: DataFolder): void {
  const files = folder.incoming.clear();
  if (files > 0)
    log.warn(
      { event: 'cache.transfersForgotten', files },
      'the machine went down in between: transfers that were in flight begin anew',
    );
}

function bootOfLinux(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
