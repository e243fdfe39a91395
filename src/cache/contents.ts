/**
 * The one place that changes what is stored. A content is a file in the store and a row in the index, and is charged to quotas; the
 * three change together here, in an order in which a kill at any moment leaves nothing wrong:
 *
 *   commit ... file, then row             a file without a row is found by `reconcile.ts`
 *   evict .... row, then file, queued     the same; the file is kept if the content came back meanwhile
 *   lose ..... row only                   links, tags and children wait for the content to come back (docs/decisions/0013)
 *   discard .. lose, then file, queued
 *   purge .... row with its links and tags, then file, queued
 *
 * It also counts who uses a content: eviction and scrubbing leave alone what is read or written at the moment.
 */
import { rm } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import { type BlobStore, type StoredBlob, UnreadableContent, type Version } from './blobs/blob-store.ts';
import type { NewManifest } from './cache.ts';
import { createDeletionQueue, type DeletionQueue } from './capacity/deletion-queue.ts';
import type { Quotas } from './capacity/quotas.ts';
import type { IndexStore } from './index/index-store.ts';
import type { Unlinked } from './index/inventory.ts';
import { createDamagedContents, type DamagedContents } from './integrity/damaged-content.ts';
import type { RareLog } from './rare-log.ts';
import { UseCounts } from './use-counts.ts';

export interface ContentsDeps {
  readonly index: IndexStore;
  readonly store: BlobStore;
  readonly quotas: Quotas;
  readonly clock: Clock;
  readonly log: RareLog;
  /** For what each request may meet. */
  readonly rareLog: RareLog;
  /** Told of each stored content that was missing or altered. */
  readonly onDamaged?: ((what: 'content') => void) | undefined;
  /** Told of each content that was evicted, and its bytes. */
  readonly onEvicted?: ((bytes: number, digest: Digest) => void) | undefined;
}

/** Gives image and endpointKey of each link that waits for a blob. */
export type WaitingLinks = () => Iterable<readonly [image: string, endpoint: string]>;

/** See the head of the file. */
export class Contents {
  /** Contents with open readers. */
  readonly reading = new UseCounts();
  /** Contents whose file and row are being written. */
  readonly arriving = new UseCounts();
  /** Found to be missing or altered, and not brought back yet. */
  readonly damaged: DamagedContents;
  readonly #deps: ContentsDeps;
  readonly #deletions: DeletionQueue;
  #isStopped = false;

  constructor(deps: ContentsDeps) {
    const { index, store, log } = deps;
    this.#deps = deps;
    this.damaged = createDamagedContents((digest) => index.content(digest) !== undefined);
    this.#deletions = createDeletionQueue({
      store,
      onError: (digest, error) => log.error({ err: error, digest }, 'a stored file cannot be removed'),
    });
  }

  /** Stored, or about to be. */
  isHere(digest: Digest): boolean {
    return this.arriving.has(digest) || this.#deps.index.content(digest) !== undefined;
  }

  /** On its way in or out: for a moment its row and its file may differ. */
  isMoving(digest: Digest): boolean {
    return this.arriving.has(digest) || this.#deletions.has(digest);
  }

  isInUse(digest: Digest): boolean {
    return this.reading.has(digest) || this.arriving.has(digest);
  }

  /** Bytes of files that are queued for deletion. */
  get leaving(): number {
    return this.#deletions.bytes;
  }

  /** Resolves when the files that are queued now are gone. */
  deletionsOver(): Promise<void> {
    return this.#deletions.idle();
  }

  /**
   * Takes a verified blob from `file`, which is gone when this resolves, and links it for the images that wait for it. Gives the version
   * that was stored; undefined if the blob was here before. Rejects with the store's error if it cannot take the blob.
   */
  async commitBlob(
    digest: Digest,
    size: number,
    file: string,
    links: WaitingLinks,
  ): Promise<Version | undefined> {
    const { index, store, quotas, clock } = this.#deps;
    const arrived = this.arriving.take(digest);
    try {
      if (index.content(digest)) {
        await rm(file, { force: true });
        return undefined;
      }
      // Space that was freed for it may still be taken by files in the queue.
      await this.deletionsOver();
      const version = await store.commit(digest, size, file);
      const now = clock.now();
      quotas.update(digest, () => {
        index.addBlob(digest, size, now);
        for (const [image, endpoint] of links()) {
          if (!index.isLinked(image, digest)) index.link(image, digest, endpoint, now);
        }
      });
      return version;
    } finally {
      arrived();
    }
  }

  /** Adds the row and the link of a manifest whose bytes are in the store. */
  recordManifest(image: string, { digest, bytes, mediaType, manifest, endpoint }: NewManifest): void {
    const { index, quotas, clock } = this.#deps;
    const now = clock.now();
    index.transaction(() =>
      quotas.update(digest, () => {
        index.addManifest(digest, bytes.length, { ...manifest, mediaType }, now);
        index.link(image, digest, endpoint, now, mediaType);
      }),
    );
  }

  /** The index has forgotten the content to free space. */
  evicted(digest: Digest, size: number): void {
    this.#deps.onEvicted?.(size, digest);
    this.#delete(digest, size);
  }

  /**
   * The file is gone, or cannot be read (`keepsFile`): the content is no longer stored, its names wait for it to come back. Gives the
   * bytes that are not stored any more.
   */
  lose(digest: Digest, reason: string, keepsFile = false): number {
    const { index, quotas } = this.#deps;
    const content = index.content(digest);
    if (!content) return 0;
    const { size, mediaType } = content;
    const charged = quotas.chargedTo(digest);
    const isRemembered = this.damaged.add({
      digest,
      reason,
      isManifest: mediaType !== undefined,
      keepsFile,
    });
    if (isRemembered) index.loseContent(digest);
    else index.dropContent(digest);
    quotas.discharge(charged, size);
    return size;
  }

  /** The file has not the bytes that it should have: the content is lost, and the file is removed. */
  discard(digest: Digest, reason: string): void {
    const { index, log, onDamaged } = this.#deps;
    if (this.#isStopped || !index.content(digest)) return;
    log.warn({ event: 'cache.content-damaged', digest }, `a stored content is dropped: ${reason}`);
    onDamaged?.('content');
    this.#delete(digest, this.lose(digest, reason));
  }

  /** A reader got wrong bytes from `blob`: the content is discarded, unless it has been stored anew since. Never rejects. */
  async discardIfCurrent(digest: Digest, blob: Pick<StoredBlob, 'isCurrent'>, reason: string): Promise<void> {
    if (await blob.isCurrent()) this.discard(digest, reason);
  }

  /**
   * A stored file could not be opened. If the file is the cause, its content is lost, and the file stays: once its rights are right
   * again, the next start or `gc` finds it.
   */
  unreadable(digest: Digest, error: unknown): void {
    const { index, log, rareLog, onDamaged } = this.#deps;
    if (!(error instanceof UnreadableContent)) {
      rareLog.error({ err: error }, 'a stored file cannot be opened for now');
      return;
    }
    if (this.#isStopped || !index.content(digest)) return;
    const { message: reason } = error;
    log.warn(
      { event: 'cache.content-unreadable', digest, reason },
      'a stored content cannot be opened: it counts as missing, its file stays',
    );
    onDamaged?.('content');
    this.lose(digest, reason, true);
  }

  /** A purge of the image has taken its links to these, and the index has forgotten those that no other image links. */
  unlinked(image: string, contents: readonly Unlinked[]): void {
    for (const { digest, size, images, isGone } of contents) {
      if (size === undefined) continue;
      const after = isGone ? [] : images.filter((other) => other !== image);
      this.#deps.quotas.recharge({ digest, size, before: images, after });
      if (isGone) this.#delete(digest, size);
    }
  }

  /** From here on no content is lost or discarded: the end of the process is no fault of a file. */
  stop(): void {
    this.#isStopped = true;
  }

  #delete(digest: Digest, size: number): void {
    this.#deletions.add(digest, size, () => this.isHere(digest));
  }
}
