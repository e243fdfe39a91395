/** What people and other commands ask of the cache, apart from serving. */
import type { ImageSummary, IndexStore } from './index/index-store.ts';
import type { Quotas } from './quotas.ts';
import type { ReconcileReport } from './reconcile.ts';
import type { Room } from './room.ts';

export interface CacheAdmin {
  usage(): CacheUsage;
  /** Images that may serve something, by name, from after `after`. */
  images(after: string, limit: number): ImageSummary[];
  /** What the look through all content after the start found; undefined if the cache was closed before. */
  readonly reconciled: Promise<ReconcileReport | undefined>;
}

export interface CacheUsage {
  /** Of stored contents, each counted once. */
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
  /** For transfers in flight. */
  readonly reserved: number;
  readonly maxSize: number | undefined;
  readonly quotas: readonly { readonly match: string; readonly maxSize: number; readonly bytes: number }[];
}

export function createCacheAdmin(
  deps: { index: IndexStore; room: Room; quotas: Quotas; reconciled: Promise<ReconcileReport | undefined> },
  options: { maxSize: number | undefined },
): CacheAdmin {
  return {
    usage: () => ({
      ...deps.index.totals(),
      reserved: deps.room.reserved,
      maxSize: options.maxSize,
      quotas: deps.quotas.all().map((quota) => ({ ...quota })),
    }),
    images: deps.index.images,
    reconciled: deps.reconciled,
  };
}
