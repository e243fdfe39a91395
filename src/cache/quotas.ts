/**
 * Bytes per quota. A content is charged to a quota when every image that links it matches the quota's pattern:
 * what is shared with others would not be freed, so it is not charged. Nothing is stored; after a start the
 * contents are counted in slices, and until a row was counted its changes need no entry.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../oci/digest.ts';
import type { IndexStore } from './index/index-store.ts';
import { namePattern } from './name-patterns.ts';

export interface Quota {
  readonly match: string;
  readonly maxSize: number;
  bytes: number;
  /** For transfers in flight. */
  reserved: number;
}

export interface Quotas {
  /** The quotas that what all these images link is charged to. */
  of(images: readonly string[]): readonly Quota[];
  /** The quotas that the content was counted for. */
  chargedTo(digest: Digest): readonly Quota[];
  /** Does `change`, which adds a content or a link, and corrects the sums. */
  update(digest: Digest, change: () => void): void;
  /** The content is gone from the quotas that it was charged to. */
  discharge(from: readonly Quota[], size: number): void;
  /** Those that hold more than they may. */
  exceeded(): Quota[];
  all(): readonly Quota[];
  /** Counts all that is stored, from zero; ends early when `isStopped` says so. */
  count(isStopped: () => boolean): Promise<void>;
}

const countedAtOnce = 500;

export function createQuotas(
  deps: { index: IndexStore },
  options: readonly { match: string; maxSize: number }[],
): Quotas {
  const { index } = deps;
  const quotas = options.map(({ match, maxSize }) => ({
    quota: { match, maxSize, bytes: 0, reserved: 0 } satisfies Quota,
    matches: namePattern([match]),
  }));
  let countedRow = 0;

  function of(images: readonly string[]): Quota[] {
    if (images.length === 0) return [];
    return quotas.filter(({ matches }) => matches && images.every(matches)).map(({ quota }) => quota);
  }

  const matching = (digest: Digest) => of(index.imagesOf(digest));

  function entry(digest: Digest): { charged: readonly Quota[]; size: number } {
    const content = quotas.length === 0 ? undefined : index.content(digest);
    if (!content || content.row > countedRow) return { charged: [], size: 0 };
    return { charged: matching(digest), size: content.size };
  }

  function add(to: readonly Quota[], bytes: number): void {
    for (const quota of to as Quota[]) quota.bytes += bytes;
  }

  return {
    of,
    chargedTo: (digest) => entry(digest).charged,
    update(digest, change) {
      const before = entry(digest);
      change();
      const after = entry(digest);
      add(before.charged, -before.size);
      add(after.charged, after.size);
    },
    discharge: (from, size) => add(from, -size),
    exceeded: () => quotas.map(({ quota }) => quota).filter(({ bytes, maxSize }) => bytes > maxSize),
    all: () => quotas.map(({ quota }) => quota),
    async count(isStopped) {
      countedRow = 0;
      for (const { quota } of quotas) quota.bytes = 0;
      while (quotas.length > 0 && !isStopped()) {
        const rows = index.storedAfter(countedRow, countedAtOnce);
        for (const { digest, size = 0, row } of rows) {
          add(matching(digest), size);
          countedRow = row;
        }
        if (rows.length < countedAtOnce) break;
        await turn();
      }
      if (!isStopped()) countedRow = Number.POSITIVE_INFINITY;
    },
  };
}
