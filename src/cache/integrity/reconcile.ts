/**
 * Makes index and content agree again while the cache serves. A row without a file is lost. A file without a row is hashed; it gets a
 * row, or is removed if its bytes are wrong and no image hosts it. A deleted index is rebuilt by the same means.
 *
 * It looks through one folder after the other (1/256 of the content each), so memory and pauses stay small whatever the size.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { type Digest, type DigestAlgorithm, digestAlgorithms } from '../../oci/digest.ts';
import { type BlobStore, folderCount, UnreadableContent } from '../blobs/blob-store.ts';
import type { Contents } from '../contents.ts';
import type { Inventory, Shard } from '../index/inventory.ts';
import { readOrphan } from './orphan.ts';

export interface ReconcileDeps {
  readonly inventory: Inventory;
  readonly store: BlobStore;
  readonly contents: Pick<Contents, 'isMoving' | 'lose' | 'discard' | 'unreadable' | 'found'>;
  readonly isStopped: () => boolean;
}

export interface ReconcileReport {
  /** Files that got a row. */
  added: number;
  /** Rows without a file: their contents are no longer stored. */
  dropped: number;
  /** Files with wrong bytes. */
  removed: number;
  /** Files that this program did not write, left alone. */
  foreign: number;
  /** Files and folders that cannot be opened, left alone. */
  unreadable: number;
}

const atOnce = 500;
/** Fewer, since each may be on another page of the index. */
const rowsAtOnce = 100;

/** Ends early when it is stopped. Rejects when the index or a folder cannot be read for a reason that passes. */
export async function reconcile(deps: ReconcileDeps): Promise<ReconcileReport> {
  const report: ReconcileReport = { added: 0, dropped: 0, removed: 0, foreign: 0, unreadable: 0 };
  for (const algorithm of digestAlgorithms) {
    for (let first = 0; first < folderCount; first += 1) {
      if (deps.isStopped()) return report;
      await reconcileFolder(deps, algorithm, first, report);
      await turn();
    }
  }
  return report;
}

async function reconcileFolder(
  deps: ReconcileDeps,
  algorithm: DigestAlgorithm,
  first: number,
  report: ReconcileReport,
): Promise<void> {
  const { inventory, store, contents, isStopped } = deps;
  const files = await store.list(algorithm, first).catch((error: unknown) => {
    if (error instanceof UnreadableContent) return undefined;
    throw error;
  });
  if (!files) {
    report.unreadable += 1;
    return;
  }
  report.foreign += files.foreign;
  const unseen = await rowsIn(inventory, { algorithm, first });
  let looks = 0;
  for (const digest of files.digests) {
    looks += 1;
    if (looks % atOnce === 0) await turn();
    if (unseen.delete(digest)) continue;
    if (isStopped()) return;
    if (contents.isMoving(digest) || (await inventory.content(digest))) continue;
    await takeIn(deps, digest, report);
  }
  for (const digest of unseen) {
    if (isStopped()) return;
    // It may have come after the folder was read.
    if (contents.isMoving(digest) || (await store.has(digest)) || contents.isMoving(digest)) continue;
    const reason = 'its file is missing';
    // Nothing else has it, so each is told of. Cached contents may be very many, and are counted.
    if (await inventory.isHosted(digest)) await contents.discard(digest, reason);
    else await contents.lose(digest, reason);
    report.dropped += 1;
  }
}

async function rowsIn(inventory: Inventory, shard: Shard): Promise<Set<Digest>> {
  const rows = new Set<Digest>();
  for (let after: Digest | undefined; ; ) {
    const some = await inventory.within(shard, after, rowsAtOnce);
    for (const { digest } of some) rows.add(digest);
    if (some.length < rowsAtOnce) return rows;
    after = some.at(-1)?.digest;
    await turn();
  }
}

async function takeIn(
  { inventory, store, contents, isStopped }: ReconcileDeps,
  digest: Digest,
  report: ReconcileReport,
): Promise<void> {
  const orphan = await readOrphan(store, digest, isStopped).catch(async (error: unknown) => {
    report.unreadable += 1;
    await contents.unreadable(digest, error);
    return undefined;
  });
  const isKnown = async () => contents.isMoving(digest) || (await inventory.content(digest)) !== undefined;
  if (!orphan || (await isKnown())) return;
  if (orphan === 'damaged') {
    // A scrub reports it.
    if (await inventory.isHosted(digest)) return;
    await store.remove(digest, isKnown);
    report.removed += 1;
    return;
  }
  const { size, manifest, modified } = orphan;
  await contents.found({ digest, size, manifest }, modified);
  report.added += 1;
}
