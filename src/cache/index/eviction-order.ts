/**
 * The EvictionOrder: which content was used least recently. A content that no manifest lists is a *root*; eviction chooses
 * roots, and with each root what only that root lists.
 *
 * Eviction reads a batch, decides in JavaScript, and executes its decision with one command. The command leaves alone what was
 * used since the batch was read.
 *
 * Every method rejects when the index cannot be read or written.
 */
import type { Digest } from '../../oci/digest.ts';

declare const positionBrand: unique symbol;

/** A place in the order. Only the implementation that gave it can read it. */
export type Position = string & { readonly [positionBrand]: true };

/** One content of a batch: a root, or a stored content below one. */
export interface Candidate {
  readonly digest: Digest;
  /** Bytes; undefined for a root that is only referenced. */
  readonly size: number | undefined;
  /** Last use, epoch ms. */
  readonly used: number;
  /** How many manifests list it; 0 for a root. */
  readonly parents: number;
  /** Digests that it lists and that are in the same batch. */
  readonly children: readonly Digest[];
}

export interface Root extends Candidate {
  readonly position: Position;
}

export interface Batch {
  /** Least recently used first. Pinned ones are not in the order. */
  readonly roots: readonly Root[];
  /** Stored contents below these roots, at any depth. */
  readonly below: readonly Candidate[];
  /** There are no roots after these. */
  readonly isLast: boolean;
}

/** A last use, epoch ms. */
export type Use = readonly [digest: Digest, used: number];

export interface EvictionOrder {
  /**
   * Writes last uses. An older time than the known one changes nothing, unless the known one is later than `now` (epoch ms),
   * from a clock that was ahead.
   */
  touch(uses: readonly Use[], now: number): Promise<void>;
  /** Roots that were used later than `now` (epoch ms), by a clock that was ahead, count from here on as used long ago. */
  ageFutureUses(now: number): Promise<void>;
  /** Up to `limit` roots, stored or only referenced, from after `after`; fewer where very much is below them. */
  oldest(after: Position | undefined, limit: number): Promise<Batch>;
  /**
   * Forgets the chosen contents, with their tags and links, in one transaction. A content stays if it is pinned, if it was used
   * after the given time, or if a manifest that stays lists it. Gives the digests that went.
   */
  evict(chosen: readonly Use[]): Promise<readonly Digest[]>;
  /** Takes roots out of the order. A content comes back when a tag or a link of it goes. */
  pin(digests: readonly Digest[]): Promise<void>;
  /** The patterns that are in force. If they are others than the last ones, every pinned content comes back into the order. */
  pinsAre(patterns: readonly string[]): Promise<void>;
}
