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
 * Hosted content has no other home: it is lost, never discarded, and keeps its file, from which a person may save something.
 *
 * It also counts the users of a content: eviction and scrubbing leave alone what is read or written at the moment.
 */
import { rm } from 'node:fs/promises';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import { type BlobStore, type StoredBlob, UnreadableContent, type Version } from './blobs/blob-store.ts';
import type { NewManifest, StoredContent } from './cache.ts';
import { createDeletionQueue, type DeletionQueue, type FileHold } from './capacity/deletion-queue.ts';
import type { Quotas } from './capacity/quotas.ts';
import type { Deletion, NewLink } from './index/catalogue.ts';
import type { Inventory, NewContent, PurgeCommand, Purged, Unlinked } from './index/inventory.ts';
import { createDamagedContents, type DamagedContents } from './integrity/damaged-content.ts';
import type { RareLog } from './rare-log.ts';
import { UseCounts } from './use-counts.ts';

export interface ContentsDeps {
  readonly inventory: Inventory;
  readonly store: BlobStore;
  readonly quotas: Quotas;
  readonly clock: Clock;
  readonly log: RareLog;
  /** For what each request may meet. */
  readonly rareLog: RareLog;
  /** Told of each stored content that was missing or altered. What `reconcile.ts` misses of cached content is counted there instead. */
  readonly onDamaged?: ((content: DamagedNow) => void) | undefined;
  /** Told of each content that was evicted, and its bytes. */
  readonly onEvicted?: ((bytes: number, digest: Digest) => void) | undefined;
}

/** A stored content that was found damaged a moment ago. */
export interface DamagedNow {
  readonly digest: Digest;
  readonly reason: string;
  readonly isHosted: boolean;
}

/** Gives image and endpointKey of each link that waits for a blob. */
export type WaitingLinks = () => Iterable<readonly [image: string, endpoint: string]>;

/** See the head of the file. */
export class Contents {
  /** Contents with open readers. */
  readonly reading = new UseCounts();
  /** Contents that are being written: file and row. */
  readonly arriving = new UseCounts();
  /** Found to be missing or altered, and not brought back yet. */
  readonly damaged: DamagedContents;
  readonly #deps: ContentsDeps;
  readonly #deletions: DeletionQueue;
  readonly #onStored: (() => void)[] = [];
  #isStopped = false;

  constructor(deps: ContentsDeps) {
    const { store, log } = deps;
    this.#deps = deps;
    this.damaged = createDamagedContents();
    this.#deletions = createDeletionQueue({
      store,
      onError: (digest, error) =>
        log.error({ event: 'cache.fileNotRemoved', err: error, digest }, 'a stored file cannot be removed'),
    });
  }

  /** Calls the listener each time that a content was stored. */
  whenStored(listener: () => void): void {
    this.#onStored.push(listener);
  }

  /** Stored, or about to be. */
  async isHere(digest: Digest): Promise<boolean> {
    return this.arriving.has(digest) || (await this.#deps.inventory.content(digest)) !== undefined;
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

  /** Files of contents that are forgotten from now on stay until the hold ends. */
  holdFiles(): FileHold {
    return this.#deletions.hold();
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
    const arrived = this.arriving.take(digest);
    try {
      if (await this.#deps.inventory.content(digest)) {
        await rm(file, { force: true });
        return undefined;
      }
      return await this.storeBlob(digest, size, file, links);
    } finally {
      arrived();
    }
  }

  /** As `commitBlob`, and in place of what is here of it. The caller counts the content as arriving. */
  async storeBlob(digest: Digest, size: number, file: string, links: WaitingLinks): Promise<Version> {
    const { store, clock } = this.#deps;
    // Space that was freed for it may still be taken by files in the queue.
    await this.deletionsOver();
    const version = await store.commit(digest, size, file);
    const waiting = Array.from(links(), ([image, origin]) => ({ image, origin }));
    await this.#add({ digest, size }, waiting, clock.now());
    return version;
  }

  /** Adds the row and the link of a manifest. Its bytes are in the store. */
  async recordManifest(image: string, value: NewManifest): Promise<void> {
    const { digest, bytes, mediaType, endpoint: origin } = value;
    const content = { digest, size: bytes.length, manifest: { ...value.manifest, mediaType } };
    const links = origin === undefined ? [] : [{ image, origin, mediaType }];
    await this.#add(content, links, this.#deps.clock.now());
  }

  /** A content was found in the store that the index does not know; `at`: its last use, epoch ms. */
  async found(content: NewContent, at: number): Promise<void> {
    await this.#add(content, [], at);
  }

  /** The index has forgotten the content to free space. */
  evicted(digest: Digest, size: number): void {
    this.#deps.onEvicted?.(size, digest);
    this.#delete(digest, size);
  }

  /**
   * The file is gone, or cannot be read (`keepsFile`): the content is no longer stored, its names wait for it to come back. Gives what
   * was stored, if something was.
   */
  lose(digest: Digest, reason: string, keepsFile = false): Promise<StoredContent | undefined> {
    const { inventory, quotas } = this.#deps;
    return quotas.update(digest, async () => {
      const content = await inventory.content(digest);
      if (!content) return undefined;
      const isManifest = content.mediaType !== undefined;
      const isHosted = await inventory.isHosted(digest);
      const isRemembered = this.damaged.add({ digest, reason, isManifest, keepsFile, isHosted });
      return isRemembered || isHosted ? await inventory.lose(digest) : await inventory.drop(digest);
    });
  }

  /** The file has not the bytes that it should have: the content is lost, and the file is removed unless it is hosted. Never rejects. */
  async discard(digest: Digest, reason: string): Promise<void> {
    const { log, onDamaged, inventory } = this.#deps;
    const content = await this.#loseIfWritable(digest, reason, false);
    if (!content) return;
    const isHosted = await inventory.isHosted(digest).catch(() => true);
    onDamaged?.({ digest, reason, isHosted });
    if (isHosted) {
      log.error({ event: 'cache.hostedDamaged', digest }, `a hosted content is damaged: ${reason}`);
    } else {
      log.warn({ event: 'cache.contentDamaged', digest }, `a stored content is dropped: ${reason}`);
      this.#delete(digest, content.size);
    }
  }

  /** A reader got wrong bytes from `blob`: the content is discarded, unless it has been stored anew since. Never rejects. */
  async discardIfCurrent(digest: Digest, blob: Pick<StoredBlob, 'isCurrent'>, reason: string): Promise<void> {
    if (await blob.isCurrent()) await this.discard(digest, reason);
  }

  /**
   * A stored file could not be opened. If the file is the cause, its content is lost, and the file stays: once its rights are right
   * again, the next start or `gc` finds it.
   */
  async unreadable(digest: Digest, error: unknown): Promise<void> {
    const { log, rareLog, onDamaged, inventory } = this.#deps;
    if (!(error instanceof UnreadableContent)) {
      rareLog.error({ event: 'cache.openFailed', err: error }, 'a stored file cannot be opened for now');
      return;
    }
    const { message: reason } = error;
    if (!(await this.#loseIfWritable(digest, reason, true))) return;
    log.warn(
      { event: 'cache.contentUnreadable', digest, reason },
      'a stored content cannot be opened: it counts as missing, its file stays',
    );
    const isHosted = await inventory.isHosted(digest).catch(() => true);
    onDamaged?.({ digest, reason, isHosted });
  }

  /** Takes the image out of the cache, or a part of it. Rejects when the index cannot be written. */
  purge(command: PurgeCommand): Promise<Purged> {
    const { inventory, quotas } = this.#deps;
    return quotas.exclusively(async () => {
      const purged = await inventory.purge(command);
      this.left(command.image, purged.unlinked);
      return purged;
    });
  }

  /**
   * Takes one content out of the image, with its tags; false where the image does not link it. `deletion`: a client's. Rejects when the
   * index cannot be written.
   */
  unlink(image: string, digest: Digest, deletion?: Deletion): Promise<boolean> {
    const { inventory, quotas } = this.#deps;
    return quotas.exclusively(async () => {
      const unlinked = await inventory.unlink(image, digest, deletion);
      if (unlinked) this.left(image, [unlinked]);
      return unlinked !== undefined;
    });
  }

  /** From here on no content is lost or discarded: the end of the process is no fault of a file. */
  stop(): void {
    this.#isStopped = true;
  }

  async #add(content: NewContent, links: readonly NewLink[], at: number): Promise<void> {
    const { inventory, quotas } = this.#deps;
    await quotas.update(content.digest, () => inventory.add(content, links, at));
    this.damaged.back(content.digest);
    for (const tell of this.#onStored) tell();
  }

  /**
   * Contents that `image` no longer links: quotas are corrected, and files that no image needs are queued for deletion. Within
   * `quotas.exclusively`.
   */
  left(image: string, unlinked: readonly Unlinked[]): void {
    for (const { digest, size, images, isGone } of unlinked) {
      if (size === undefined) continue;
      const after = isGone ? [] : images.filter((other) => other !== image);
      this.#deps.quotas.recharge({ digest, size, before: images, after });
      if (isGone) this.#delete(digest, size);
    }
  }

  async #loseIfWritable(digest: Digest, reason: string, keepsFile: boolean) {
    if (this.#isStopped) return undefined;
    try {
      return await this.lose(digest, reason, keepsFile);
    } catch (error) {
      this.#deps.rareLog.error(
        { event: 'cache.indexUnwritable', err: error },
        'the index could not be written: a damaged content',
      );
      return undefined;
    }
  }

  #delete(digest: Digest, size: number): void {
    this.#deletions.add(digest, size, () => this.isHere(digest));
  }
}
