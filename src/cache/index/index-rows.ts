/**
 * The rows of the index: what the seams of `cache-index.ts` are made of. Synchronous, since each call takes microseconds, and known in this folder
 * alone. Images and origins are text here; the store keeps each string once.
 *
 * A content is *stored* (its file is here) or only *referenced*; a manifest that was stored and is *lost* (its file was found to be
 * missing or wrong) still lists what it listed. A content that no manifest lists is a *root*: eviction chooses from those.
 */
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import type { CachedList, CachedTag, KnownDescriptor, StoredContent } from '../cache.ts';
import type { Child, Names } from './catalogue.ts';
import type { Batch, Position, Use } from './eviction-order.ts';
import type { FactRows } from './facts/fact-rows.ts';
import type { LostContent, Totals, UnlistedBlobs } from './inventory.ts';
import type { JobRows } from './jobs/job-rows.ts';
import type { ImageSummary, KeptManifest } from './listing.ts';
import type { OutboxRows } from './outbox/outbox-rows.ts';
import type { PlacementRows } from './placements/placement-rows.ts';
import type { ReplicaRows } from './replicas/replica-rows.ts';
import type { SelectionRows } from './selections/selection-rows.ts';
import type { VerdictRows } from './verdicts/verdict-rows.ts';

export interface IndexRows
  extends JobRows,
    OutboxRows,
    PlacementRows,
    ReplicaRows,
    SelectionRows,
    FactRows,
    VerdictRows {
  /** All or nothing of what `work` writes. May be nested. */
  transaction<T>(work: () => T): T;
  /** A transaction that is on the disk when this returns. Not within another one. */
  durably<T>(work: () => T): T;

  tag(image: string, tag: string): CachedTag | undefined;
  /** A `checkedAt` before the known one changes nothing, unless that one is later than `now`. */
  setTag(image: string, tag: string, value: CachedTag, now?: number): void;
  /** A tag means what it has meant, as its endpoint says once more. The same holds for `checkedAt`. Nothing for a tag that is not known. */
  confirmTag(image: string, tag: string, checkedAt: number, now?: number): void;
  /** A tag that was checked after `at` stays, unless that is later than `now`. */
  dropTag(image: string, tag: string, at?: number, now?: number): void;
  /** Sorted by bytes. */
  tags(image: string): string[];
  /** Whether a tag of any image points to it. */
  isTagged(digest: Digest): boolean;

  /** What is stored under the digest. */
  content(digest: Digest): StoredContent | undefined;
  /** The same, where `image` links it. */
  linkedContent(image: string, digest: Digest): StoredContent | undefined;
  addBlob(digest: Digest, size: number, used: number): void;
  addManifest(digest: Digest, size: number, manifest: Manifest, used: number): void;
  /**
   * Forgets a content, its tags, and its links unless a manifest lists it. Gives the contents that only it referenced, which are
   * forgotten as well.
   */
  dropContent(digest: Digest): Digest[];
  /** The file is gone: no longer stored. Links, tags and what it lists stay, for when it comes back. */
  loseContent(digest: Digest): void;
  /** What a stored manifest lists. */
  children(digest: Digest): Child[];

  /** `mediaType`: of a manifest, as this image's registry says. What others say of the same bytes does not change it. */
  link(image: string, digest: Digest, endpoint: string, used: number, mediaType?: string): void;
  isLinked(image: string, digest: Digest): boolean;
  /** Where the link comes from. */
  originOf(image: string, digest: Digest): string | undefined;
  /** See `Catalogue.referrersOf`. */
  referrersOf(image: string, subject: Digest, after: Digest | undefined, limit: number): Digest[];
  parentsOf(image: string, digest: Digest): Digest[];
  unlink(image: string, digest: Digest): void;
  /** All that the image links, stored or only referenced. */
  linkedBy(image: string): Digest[];
  descriptor(image: string, digest: Digest): KnownDescriptor | undefined;

  list(image: string, kind: string, key: string): CachedList | undefined;
  setList(image: string, kind: string, key: string, value: CachedList): void;
  dropList(image: string, kind: string, key: string): void;
  dropLists(image: string): void;
  /** Of all lists of the image. */
  listNames(image: string): { readonly kind: string; readonly key: string }[];

  /**
   * One slice of the removal of referrers lists of images that link nothing, and of names that nothing refers to. `removed`: names.
   * Call it until it gives `isDone`.
   */
  forgetSome(): { readonly removed: number; readonly isDone: boolean };

  /** Last uses, epoch ms. An older time than the known one changes nothing, unless that one is later than now. */
  touch(uses: Iterable<readonly [Digest, number]>, now?: number): void;
  /** Roots that were used later than `now`, by a clock that was ahead: from here on long ago, in the same order. */
  ageFutureUses(now: number): void;
  imagesOf(digest: Digest): string[];
  setPinned(digest: Digest): void;
  oldestBatch(after: Position | undefined, limit: number): Batch;
  /** `gone`: of the chosen ones. `forgotten`: only referenced, by those. */
  evict(chosen: readonly Use[]): { readonly gone: readonly Digest[]; readonly forgotten: readonly Digest[] };
  /** In the order of the digests. */
  namesOfAll(digests: readonly Digest[]): readonly Names[];
  unpinAll(): void;

  totals(): Totals;
  hosted(): Pick<Totals, 'bytes' | 'contents'>;
  /** See `Inventory.keptBytes`. */
  keptBytes(): number;
  isHosted(digest: Digest): boolean;
  /** See `Inventory.lostHosted`. */
  lostHostedIn(algorithm: DigestAlgorithm, first: number): readonly LostContent[];
  /** Tags of the image that are hosted, sorted by bytes. */
  hostedTags(image: string): readonly string[];
  importedTags(image: string): readonly string[];
  /** What the image links as hosted, stored or lost. */
  hostedBy(image: string): readonly Digest[];
  /** See `Inventory.unlistedHosted`. */
  unlistedHosted(before: number, after: Position | undefined): UnlistedBlobs;
  /** Stored contents with digests that begin with the byte `first`, ascending, from after `after`. */
  storedIn(
    algorithm: DigestAlgorithm,
    first: number,
    after: Digest | undefined,
    limit: number,
  ): StoredContent[];
  images(after: string, limit: number): ImageSummary[];
  /** Stored manifests that the image links and that have a tag there, or no parent; by tag, those without one last. */
  keptManifests(image: string): KeptManifest[];

  meta(key: string): string | undefined;
  setMeta(key: string, value: string): void;
  close(): void;
}
