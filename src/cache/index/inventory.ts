/**
 * The Inventory: what is stored where this process reads it. A content is *stored* (its file is here) or only *referenced*; a
 * manifest that was stored and is *lost* (its file was found to be missing or wrong) still lists what it listed.
 *
 * Every method rejects when the index cannot be read or written.
 */
import type { Digest, DigestAlgorithm } from '../../oci/digest.ts';
import type { Manifest } from '../../oci/manifest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { StoredContent } from '../cache.ts';
import type { Deletion, NewLink } from './catalogue.ts';
import type { Position } from './eviction-order.ts';

/** A content that was verified and lies in the store. */
export interface NewContent {
  readonly digest: Digest;
  /** Bytes of the file. */
  readonly size: number;
  /** Undefined for a blob. */
  readonly manifest?: Manifest | undefined;
}

/** 1/256 of all contents of one algorithm: their digests begin with the byte `first`. */
export interface Shard {
  readonly algorithm: DigestAlgorithm;
  /** 0 to 255. */
  readonly first: number;
}

/** With neither tag nor digest: the whole repository. */
export interface PurgeCommand {
  /** `registry/repository`. */
  readonly image: string;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;
  /** Hosted content and tags stay, with all that hosted manifests list. */
  readonly keepsHosted?: boolean | undefined;
  /** Hosted manifests and tags that go are events for the sinks that want them. */
  readonly deletion?: Deletion | undefined;
  /** Of a whole repository: these tags stay, and these manifests with all that they need. Without it the lists go as well. */
  readonly keep?: { readonly tags: readonly string[]; readonly digests: readonly Digest[] } | undefined;
}

export interface LostContent {
  readonly digest: Digest;
  readonly isManifest: boolean;
}

export interface HostedBlob {
  readonly image: string;
  readonly digest: Digest;
}

/** One slice; it may be empty, and more may follow. */
export interface UnlistedBlobs {
  readonly blobs: readonly HostedBlob[];
  /** Where the next slice begins; undefined after the last one. */
  readonly next: Position | undefined;
}

/** A content that the purged image no longer links. */
export interface Unlinked {
  readonly digest: Digest;
  /** Bytes that were stored; undefined where it was only referenced. */
  readonly size: number | undefined;
  /** Images that linked it before the purge, the purged one among them. */
  readonly images: readonly string[];
  /** No other image links it, so it is forgotten: its file can go. */
  readonly isGone: boolean;
}

export interface Purged {
  readonly tags: number;
  readonly unlinked: readonly Unlinked[];
}

/** Of what is stored; each content counts once. */
export interface Totals {
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
}

export interface Inventory {
  /** The content if it is stored. A manifest has the type under which it first came. */
  content(digest: Digest): Promise<StoredContent | undefined>;
  /** Writes a stored content, its links and their tags in one transaction, durable if a link is hosted. `at`: epoch ms, counts as a use. */
  add(content: NewContent, links: readonly NewLink[], at: number): Promise<void>;
  /** The file is gone. Links, tags and what the content lists stay, for when it comes back. Gives what was stored. */
  lose(digest: Digest): Promise<StoredContent | undefined>;
  /** Forgets a content and its tags, and its links unless a manifest lists it. Gives what was stored. */
  drop(digest: Digest): Promise<StoredContent | undefined>;
  /** Drops the content if it is neither stored nor hosted. */
  forget(digest: Digest): Promise<void>;
  /**
   * Takes one content out of an image, with the tags of the image that point to it. Undefined where the image does not link it.
   * `deletion`: a client's, which is an event for the sinks that want it.
   */
  unlink(image: string, digest: Digest, deletion?: Deletion): Promise<Unlinked | undefined>;
  /**
   * Takes an image, or one tag or digest of it, out of the cache. What the image's other manifests list stays visible to it;
   * a content goes when no other image links it either.
   */
  purge(command: PurgeCommand): Promise<Purged>;
  /** Of that, what is hosted. */
  hosted(): Pick<Totals, 'bytes' | 'contents'>;
  /** Bytes of what is hosted, stored, and in no bucket: no eviction frees them. */
  keptBytes(): number;
  /** Whether some image hosts the content. */
  isHosted(digest: Digest): Promise<boolean>;
  /** Hosted contents of a shard whose file is missing or wrong. */
  lostHosted(shard: Shard): Promise<readonly LostContent[]>;
  /**
   * Hosted blobs, each with an image that no manifest of that image lists, and that were not used since `before` (epoch ms): one slice of
   * them, from after `after`. None of images that have a manifest which is lost, or which may list more than the index has.
   */
  unlistedHosted(before: number, after: Position | undefined): Promise<UnlistedBlobs>;
  /** Kept up to date with every write, so it costs no search. */
  totals(): Totals;
  /** Stored contents of a shard in the order of their digests, from after `after`, at most `limit`. */
  within(shard: Shard, after: Digest | undefined, limit: number): Promise<readonly StoredContent[]>;
  /**
   * Removes names and lists that nothing refers to any more; gives how many names. It reads the whole index, so it is for `gc`
   * alone. It works in slices of a few milliseconds and lets other work run in between; it ends early when `isStopped`.
   */
  forgetUnused(isStopped: () => boolean): Promise<number>;
}
