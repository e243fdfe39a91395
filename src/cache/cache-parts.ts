/**
 * The parts of the cache, made in an order in which each refers only to parts before it. Nothing happens in the background yet:
 * `open-cache.ts` starts that, once all of them exist.
 */
import type { BufferPool } from '../lib/bytes/buffer-pool.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { LineFields } from '../telemetry/log.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import { DiskStore } from './blobs/disk-store.ts';
import { createAccessTimes } from './capacity/access-times.ts';
import { createCapacity } from './capacity/capacity.ts';
import { createEviction } from './capacity/eviction.ts';
import { createPartialDownloads } from './capacity/partial-downloads.ts';
import { createPins } from './capacity/pins.ts';
import { createQuotas, type QuotaSetting } from './capacity/quotas.ts';
import type { ReserveFile } from './capacity/reserve-file.ts';
import { Contents } from './contents.ts';
import type { DataFolder } from './data-folder.ts';
import { createCacheIndex } from './index/cache-index.ts';
import { createCheckpointer } from './index/checkpointer.ts';
import type { DataLock } from './index/data-lock.ts';
import { createSharing } from './index/facts/sharing.ts';
import { forgetUnsalvaged } from './index/open-index.ts';
import type { WantedBy } from './index/outbox/event-recorder.ts';
import type { SelfRepairingIndex } from './index/self-repairing-index.ts';
import { createCheckedStreams } from './integrity/checked-streams.ts';
import { createMaintenance } from './integrity/maintenance.ts';
import { createNotices } from './notices.ts';
import { createRareLog, type RareLog } from './rare-log.ts';

export interface CacheDeps {
  readonly clock: Clock;
  readonly log: RareLog;
  /** What stored files are read into. */
  readonly buffers: BufferPool;
  /** Bytes free for this process on the file system of the folder. */
  readonly freeBytes?: ((folder: string) => number) | undefined;
  /** What tells this start of the machine from others. Default: Linux's own, elsewhere unknown. */
  readonly boot?: (() => string | undefined) | undefined;
  /** Told of each content that had to make room, and its bytes. */
  readonly onEvicted?: (bytes: number, digest: Digest) => void;
  /** Told of each stored content as `ContentsDeps` says, and of an index that was damaged. */
  readonly onDamaged?: (what: 'content' | 'index') => void;
  /** Which sinks want an event. Default: none. */
  readonly wantedBy?: WantedBy;
}

/** Settings that can change while the cache is open. */
export interface CacheSettings {
  /** Bytes; undefined: bounded by the disk alone. */
  readonly maxSize: number | undefined;
  /** Bytes that are left free on the disk. */
  readonly minFree: number;
  readonly quotas: readonly QuotaSetting[];
  readonly pins: readonly string[];
  /** Names of the `[[sync]]` blocks with `pin = true`. */
  readonly pinnedBy?: readonly string[] | undefined;
}

export interface CacheOptions extends CacheSettings {
  /** The data folder, absolute. */
  readonly data: string;
  /** Changes that other replicas need become facts. */
  readonly sharesFacts?: boolean;
  /** Names of the buckets. Default: none. */
  readonly buckets?: readonly string[] | undefined;
}

/** What was opened under the lock of the data folder. */
export interface OpenedFolder {
  readonly folder: DataFolder;
  readonly reserve: ReserveFile;
  readonly lock: DataLock;
  readonly repairing: SelfRepairingIndex;
}

export type CacheParts = ReturnType<typeof createCacheParts>;

/** Throws what the index throws when it cannot be read or written. */
export function createCacheParts(deps: CacheDeps, options: CacheOptions, opened: OpenedFolder) {
  const { clock, log, buffers, onDamaged, onEvicted, wantedBy = () => [] } = deps;
  const { folder, reserve, repairing } = opened;
  const state = { settings: options as CacheSettings, isStopped: false };
  const isStopped = () => state.isStopped;
  const rareLog = createRareLog({ log, clock });
  const failed = (fields: LineFields, what: string) => (error: unknown) =>
    rareLog.error({ ...fields, err: error }, what);
  const sharing = options.sharesFacts ? createSharing(clock, repairing.lastStamp()) : undefined;
  const index = createCacheIndex(repairing, wantedBy, sharing);
  const { catalogue, inventory, order, listing } = index;
  const notices = createNotices({
    catalogue,
    outbox: index.outbox,
    wantedBy,
    clock,
    onError: failed({ event: 'cache.indexUnwritable' }, 'the index could not be written: an event'),
  });
  const pins = createPins({ catalogue, order });
  const quotas = createQuotas({ catalogue, inventory }, options.quotas);
  const { content, incoming } = folder;
  const store: BlobStore = new DiskStore({ buffers, content, incoming, freeBytes: deps.freeBytes });
  const contents = new Contents({
    inventory,
    store,
    quotas,
    clock,
    log,
    rareLog,
    onDamaged(content) {
      onDamaged?.('content');
      notices.damaged(content);
    },
    onEvicted,
  });
  const partialDownloads = createPartialDownloads((path, error) =>
    log.error(
      { event: 'cache.fileNotRemoved', err: error, path },
      'what a transfer has left cannot be removed',
    ),
  );
  const times = createAccessTimes({
    clock,
    write: (uses) =>
      order
        .touch(uses, clock.now())
        .catch(failed({ event: 'cache.indexUnwritable' }, 'the index could not be written: last uses')),
  });
  const eviction = createEviction({
    order,
    catalogue,
    clock,
    quotas,
    partialDownloads,
    contents,
    pins: () => pins.rule,
    unwrittenUse: times.unwritten,
  });
  const onCheckpointError = failed(
    { event: 'cache.checkpointFailed' },
    'the index could not be checkpointed',
  );
  const checkpointer = createCheckpointer({ clock, onError: onCheckpointError }, folder.index);
  const capacity = createCapacity({
    clock,
    inventory,
    eviction,
    quotas,
    partialDownloads,
    limits: () => state.settings,
    free: () => store.space().free - reserve.owed,
    leaving: () => contents.leaving,
    pace: checkpointer.pace,
    onError: failed({ event: 'cache.evictionFailed' }, 'eviction failed'),
    onFull(bytes, quota, images) {
      rareLog.warn(
        { event: 'cache.full', bytes, quota },
        quota === undefined ? 'the cache is full' : 'a quota is full',
      );
      notices.refused(bytes, quota, images);
    },
  });
  const maintenance = createMaintenance({
    index,
    inventory,
    store,
    contents,
    clock,
    log,
    quotas,
    capacity,
    salvaged(file) {
      forgetUnsalvaged(folder.index, file);
      index.facts?.compareAnew();
    },
    isStopped,
  });
  const streams = createCheckedStreams((digest, blob, reason) =>
    contents.discardIfCurrent(digest, blob, reason),
  );
  const stored = { index, catalogue, inventory, order, listing, store, contents, quotas, pins, streams };
  const bounds = { capacity, partialDownloads, times, notices, nextEvictions: eviction.next };
  const background = { maintenance, checkpointer };
  return {
    ...opened,
    ...stored,
    ...bounds,
    ...background,
    state,
    isStopped,
    log,
    rareLog,
    failed,
    clock,
  };
}
