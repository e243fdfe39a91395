/**
 * Opens a data folder: takes its lock, opens its index, wires the parts of the cache, and sets off what goes on
 * behind.
 */
import { readFileSync, statfsSync } from 'node:fs';
import type { BufferPool } from '../lib/buffer-pool.ts';
import type { Clock } from '../lib/clock.ts';
import { createHasher } from '../lib/hasher.ts';
import type { Digest } from '../oci/digest.ts';
import { createDiskStore, isUnreadable } from './blobs/disk-store.ts';
import type { Cache } from './cache.ts';
import { type CacheAdmin, createCacheAdmin } from './cache-admin.ts';
import { createAccessTimes } from './capacity/access-times.ts';
import { createRoom } from './capacity/capacity.ts';
import { createRemovals } from './capacity/deletion-queue.ts';
import { createEviction } from './capacity/eviction.ts';
import { createLeftovers } from './capacity/partial-downloads.ts';
import { createPins } from './capacity/pins.ts';
import { createQuotas, type QuotaSetting } from './capacity/quotas.ts';
import { createReserveFile, type ReserveFile } from './capacity/reserve-file.ts';
import { type DataFolder, prepareDataFolder, problemOf, unusable } from './data-folder.ts';
import { createRememberedIndex } from './index/caching-index.ts';
import { createCheckpointer } from './index/checkpointer.ts';
import { type DataLock, lockData } from './index/data-lock.ts';
import { isDiskFull, type OpenedIndex, openIndex, replaceIndex } from './index/open-index.ts';
import { createHealingIndex } from './index/self-repairing-index.ts';
import { createLosses } from './integrity/damaged-content.ts';
import { createUpkeep } from './integrity/maintenance.ts';
import { createVerifiedFiles } from './integrity/verified-files.ts';
import { createLocalCache } from './local-cache.ts';
import { createRareLog, type RareLog } from './rare-log.ts';
import { Holds } from './use-counts.ts';

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
  /** Told of each stored content that was missing or altered, and of an index that was damaged. */
  readonly onDamaged?: (what: 'content' | 'index') => void;
}

/** What may be another while the cache is open. */
export interface CacheSettings {
  /** Bytes; undefined: bounded by the disk alone. */
  readonly maxSize: number | undefined;
  /** Bytes that are left free on the disk. */
  readonly minFree: number;
  readonly quotas: readonly QuotaSetting[];
  readonly pins: readonly string[];
}

export interface CacheOptions extends CacheSettings {
  /** The data folder, absolute. */
  readonly data: string;
}

export interface OpenCache extends Cache {
  readonly admin: CacheAdmin;
  /**
   * Puts other settings in force. What no longer fits goes in the background, at once. Throws what the index throws when it
   * cannot be written; then the old ones stay.
   */
  configure(settings: CacheSettings): void;
}

/** Throws EntrepotError: DATA_LOCKED, DATA_UNUSABLE, INDEX_TOO_NEW. */
export async function openCache(deps: CacheDeps, options: CacheOptions): Promise<OpenCache> {
  const folder = prepareDataFolder(options.data);
  const { clock, freeBytes = freeOnDisk } = deps;
  const free = () => freeBytes(options.data);
  const reserve = createReserveFile({ path: folder.reserve, clock, free });
  const cache = openFolder(deps, options, folder, reserve);
  await reserve.restore();
  return cache;
}

function openFolder(
  deps: CacheDeps,
  options: CacheOptions,
  folder: DataFolder,
  reserve: ReserveFile,
): OpenCache {
  let lock: DataLock | undefined;
  try {
    const { boot = bootOfLinux } = deps;
    lock = lockData(folder.lock, { boot: boot(), afterPowerCut: () => forgetIncoming(deps.log, folder) });
    folder.incoming.removeUnfinishedWrites();
    return wire(deps, options, folder, reserve, lock, openIndex(folder.index, deps.clock.now()));
  } catch (error) {
    lock?.release(false);
    // A server that comes back on a full disk serves what is there.
    if (isDiskFull(error) && reserve.spend()) return openFolder(deps, options, folder, reserve);
    reserve.stop();
    throw unusable(options.data, error);
  }
}

function wire(
  { clock, log, buffers, onEvicted, onDamaged, freeBytes = freeOnDisk }: CacheDeps,
  options: CacheOptions,
  folder: DataFolder,
  reserve: ReserveFile,
  lock: DataLock,
  opened: OpenedIndex,
): OpenCache {
  let isStopped = false;
  let settings: CacheSettings = options;
  const rareLog = createRareLog({ log, clock });
  const failed = (what: string) => (error: unknown) => rareLog.error({ err: error }, what);
  const reading = new Holds();
  const arriving = new Holds();
  // For scrubbing alone, so that it never keeps a transfer waiting. The thread starts with the first scrub.
  const hasher = createHasher();

  const startCheckpointer = () =>
    createCheckpointer({ clock, onError: failed('the index could not be checkpointed') }, folder.index);
  let checkpointer = startCheckpointer();
  const replace = (damage: unknown) => {
    index.forgetAll();
    checkpointer.stop().catch(failed('the index could not be checkpointed'));
    checkpointer = startCheckpointer();
    const replacement = replaceIndex(folder.index, clock.now());
    reportDamage(replacement.setAside, damage);
    // Not before the new one is in its place.
    Promise.resolve()
      .then(() => pins.rewrite())
      .catch(failed('the pins could not be written'));
    upkeep(replacement.setAside);
    return replacement.index;
  };
  const healing = createHealingIndex(opened.index, {
    replace,
    makeRoom() {
      const isSpent = reserve.spend();
      if (isSpent) Promise.resolve().then(() => room.check());
      return isSpent;
    },
  });
  const index = createRememberedIndex(healing);
  const pins = createPins(index, options.pins);
  const isHere = (digest: Digest) => arriving.has(digest) || index.content(digest) !== undefined;

  const store = createDiskStore({
    buffers,
    content: folder.content,
    incoming: folder.incoming,
    onFault: (digest, error) => discard(digest, error.message),
  });
  const losses = createLosses((digest) => index.content(digest) !== undefined);
  const removals = createRemovals({
    store,
    onError: (digest, error) => log.error({ err: error, digest }, 'a stored file cannot be removed'),
  });
  const leftovers = createLeftovers((path, error) =>
    log.error({ err: error, path }, 'what a transfer has left cannot be removed'),
  );
  const quotas = createQuotas({ index }, options.quotas);
  const times = createAccessTimes({
    clock,
    write(uses) {
      try {
        index.touch(uses, clock.now());
      } catch (error) {
        rareLog.error({ err: error }, 'the index could not be written: last uses');
      }
    },
  });
  const eviction = createEviction({
    index,
    clock,
    quotas,
    leftovers,
    pins: () => pins.pattern,
    unwrittenUse: times.unwritten,
    isHeld: (digest) => reading.has(digest) || arriving.has(digest),
    onEvicted(digest, size) {
      onEvicted?.(size, digest);
      removals.add(digest, size, () => isHere(digest));
    },
  });
  const room = createRoom({
    clock,
    index,
    eviction,
    quotas,
    leftovers,
    limits: () => settings,
    free: () => freeBytes(options.data) - reserve.owed,
    leaving: () => removals.bytes,
    onError: failed('eviction failed'),
    onFull: (bytes, quota) =>
      rareLog.warn({ bytes, quota }, quota === undefined ? 'the cache is full' : 'a quota is full'),
  });
  const upkeep = createUpkeep({
    ...{ index, store, clock, log, quotas, room },
    lose: (digest) => void lose(digest, 'its file is missing'),
    cannotOpen: unreadable,
    isMoving: (digest) => arriving.has(digest) || removals.has(digest),
    isStopped: () => isStopped,
  });

  function reportDamage(setAside: string | undefined, damage?: unknown): void {
    onDamaged?.('index');
    log.error(
      { file: setAside, err: damage },
      'the index was damaged: it was set aside and is being rebuilt',
    );
  }

  /** Its names wait for it to come back. */
  function lose(digest: Digest, reason: string, keepsFile = false): number {
    const content = index.content(digest);
    if (!content) return 0;
    const { size, mediaType } = content;
    const charged = quotas.chargedTo(digest);
    if (losses.add({ digest, reason, isManifest: mediaType !== undefined, keepsFile }))
      index.loseContent(digest);
    else index.dropContent(digest);
    quotas.discharge(charged, size);
    return size;
  }

  /** The file stays: who mends its rights has the content back at the next start or `gc`. */
  function unreadable(digest: Digest, error: unknown): void {
    const { message: reason } = error as Error;
    if (!isUnreadable(error)) {
      failed('a stored file cannot be opened for now')(error);
      return;
    }
    if (isStopped || !index.content(digest)) return;
    log.warn({ digest, reason }, 'a stored content cannot be opened: it counts as missing, its file stays');
    onDamaged?.('content');
    lose(digest, reason, true);
  }

  function discard(digest: Digest, reason: string): void {
    if (isStopped || !index.content(digest)) return;
    log.warn({ digest }, `a stored content is dropped: ${reason}`);
    onDamaged?.('content');
    const size = lose(digest, reason);
    removals.add(digest, size, () => isHere(digest));
  }

  function remove(digest: Digest): () => void {
    const size = index.content(digest)?.size;
    const charged = quotas.chargedTo(digest);
    index.dropContent(digest);
    return () => {
      if (size === undefined) return;
      quotas.discharge(charged, size);
      removals.add(digest, size, () => isHere(digest));
    };
  }

  if (opened.setAside !== undefined) reportDamage(opened.setAside);
  const reconciled = upkeep(opened.setAside);

  let recounted: Promise<void> | undefined;
  function configure(next: CacheSettings): void {
    pins.configure(next.pins);
    settings = next;
    if (quotas.replace(next.quotas)) {
      recounted = quotas
        .count(() => isStopped)
        .then(room.check)
        .catch(failed('the quotas could not be counted'));
    }
    room.limitsChanged();
  }

  let closed: Promise<void> | undefined;
  async function close(): Promise<void> {
    isStopped = true;
    reserve.stop();
    await Promise.all([upkeep(undefined), recounted, room.stop(), checkpointer.stop(), hasher.close()]);
    await removals.idle();
    times.close();
    attempt('the index could not be closed in order', index.close);
    let isFlushed = false;
    try {
      await folder.incoming.flush();
      isFlushed = true;
    } catch (error) {
      failed('transfers in flight could not be flushed')(error);
    }
    attempt('the data folder could not be released in order', () => lock.release(isFlushed));
  }

  /** For what a full or broken disk may refuse, and what must not keep the rest of the end from happening. */
  function attempt(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      failed(what)(error);
    }
  }

  const cache = createLocalCache({
    ...{
      index,
      store,
      clock,
      rareLog,
      times,
      quotas,
      room,
      leftovers,
      reading,
      arriving,
      discard,
      unreadable,
    },
    verified: createVerifiedFiles(discard),
    removed: removals.idle,
    incoming: folder.incoming,
    close: () => {
      closed ??= close();
      return closed;
    },
  });
  const admin = createCacheAdmin({
    ...{ index, room, quotas, pins, remove, reconciled },
    explain: (error) => unusable(folder.index, error),
    problem: () => problemOf(folder),
    maxSize: () => settings.maxSize,
    minFree: () => settings.minFree,
    scrub: { store, hasher, losses, reading, arriving, discard, unreadable },
    disk: () => ({ free: freeBytes(options.data), size: sizeOfDisk(options.data) }),
    reconcile: () => upkeep(undefined),
    removed: removals.idle,
  });
  return { ...cache, admin, configure };
}

function forgetIncoming(log: RareLog, folder: DataFolder): void {
  const files = folder.incoming.clear();
  if (files > 0)
    log.warn({ files }, 'the machine went down in between: transfers that were in flight begin anew');
}

function bootOfLinux(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}

function freeOnDisk(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function sizeOfDisk(folder: string): number {
  const { blocks, bsize } = statfsSync(folder);
  return blocks * bsize;
}
