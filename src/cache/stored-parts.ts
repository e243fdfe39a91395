/** What the cache is made of (`LocalCacheDeps`), and what its two halves, blobs and manifests, share beside that (`StoredParts`). */
import type { Clock } from '../lib/clock.ts';
import type { BlobStore } from './blobs/blob-store.ts';
import type { Cache } from './cache.ts';
import type { AccessTimes } from './capacity/access-times.ts';
import type { Capacity } from './capacity/capacity.ts';
import type { Quotas } from './capacity/quotas.ts';
import type { Contents } from './contents.ts';
import type { IncomingFolder } from './incoming/incoming-folder.ts';
import type { CacheIndex } from './index/cache-index.ts';
import type { CheckedStreams } from './integrity/checked-streams.ts';
import type { RareLog } from './rare-log.ts';

export interface LocalCacheDeps {
  readonly catalogue: CacheIndex['catalogue'];
  readonly inventory: CacheIndex['inventory'];
  readonly store: BlobStore;
  readonly clock: Clock;
  /** For what each request may meet. */
  readonly rareLog: RareLog;
  readonly times: AccessTimes;
  readonly quotas: Quotas;
  readonly capacity: Capacity;
  readonly streams: CheckedStreams;
  readonly contents: Contents;
  readonly incoming: IncomingFolder;
  readonly partialDownloads: Cache['partialDownloads'];
  readonly close: () => Promise<void>;
}

/** What blobs and manifests are kept with. */
export interface StoredParts extends LocalCacheDeps {
  /** Closing waits for the work. */
  finish<T>(work: Promise<T>): Promise<T>;
  /** The result of a write to the store. A write that had no space counts: the disk is full for a while. */
  written<T>(work: Promise<T>): Promise<T>;
  /** A fact is written to the index, or the log says that it was not: a full disk is no reason to refuse what is stored. */
  recorded(what: string, image: string, write: () => Promise<void>): Promise<void>;
}
