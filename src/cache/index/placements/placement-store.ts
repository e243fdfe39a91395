/**
 * The PlacementStore: in which buckets each content is, and what is still to be done about it.
 *
 *   stored here --> wanted --upload--> placed --reader finds nothing--> wanted
 *                    |  ^                 \----reader gets wrong bytes--> doubted --looked at--> placed, or wanted
 *                    |  '--- a failed try is due again later
 *                    '-----> skipped: no image of it is meant for that bucket; a new link makes it wanted again
 *
 * A placement is a hint: a reader asks the bucket, and tells what it found. Every method rejects when the index cannot be read or
 * written. What a damaged index loses is found again: by `fill`, and by readers.
 */
import type { Digest } from '../../../oci/digest.ts';
import type { ContentUse } from '../../shared/content-uses.ts';

export const placementStates = ['wanted', 'placed', 'doubted', 'skipped'] as const;
export type PlacementState = (typeof placementStates)[number];

/** Lower ones go first: what has just come, repairs, what was here before its bucket. */
export const urgencies = { arrived: 0, repair: 1, backfill: 2 } as const;

export interface Placement {
  readonly digest: Digest;
  /** Name of the `[[store]]` block. */
  readonly store: string;
  readonly state: PlacementState;
  /** Bytes. */
  readonly size: number;
  /** Epoch ms: when it came into this state. */
  readonly since: number;
  /** Tries in a row that failed. */
  readonly tries: number;
  /** Of the last of them. */
  readonly reason: string | undefined;
}

export interface PlacementCount {
  readonly store: string;
  readonly state: PlacementState;
  readonly contents: number;
  readonly bytes: number;
}

/** One content in one bucket. */
export interface Place {
  readonly digest: Digest;
  readonly store: string;
}

export interface Standing {
  /**
   * The index knows the content: it is stored, linked, or listed by a manifest. Also if it was placed there after `since`, since the rest
   * of its push may be on its way, and if its last link was taken away after that.
   */
  readonly isNeeded: boolean;
  /** It is hosted or pinned. */
  readonly isKept: boolean;
  /** It is stored on the disk. */
  readonly isStored: boolean;
  /** Last use by this replica, epoch ms; 0 where it has not used it. */
  readonly used: number;
}

export interface PlacementStore {
  /**
   * The buckets of the configuration. Content that is stored from now on is wanted in each of them. Placements in other buckets are kept,
   * and count for nothing until their bucket comes back.
   */
  storesAre(names: readonly string[]): Promise<void>;
  /** Looks at contents that are stored, or in a bucket, in the order of their digests, from after `after`, at most `limit`: wants them in `store`. Gives the last one. */
  fill(store: string, after: Digest | undefined, limit: number, now: number): Promise<Digest | undefined>;
  /** What is known of the content, in buckets of the configuration. */
  of(digest: Digest): Promise<readonly Placement[]>;
  /** Whether a bucket of the configuration has it. */
  isPlaced(digest: Digest): Promise<boolean>;
  /** What a sweep has to know of an object. `since`: epoch ms. */
  standing(place: Place, since: number): Promise<Standing>;
  /** Contents that are stored, or in a bucket, in the order of their digests, from after `after`, at most `limit`. */
  uses(after: Digest | undefined, limit: number): Promise<readonly ContentUse[]>;
  /** It is looked for in its bucket at `at` (epoch ms). Only of what is there. */
  lookAt(place: Place, at: number): Promise<void>;
  /** A name for the replica that this index belongs to; the same from then on. */
  replica(): Promise<string>;
  /** It is there. */
  placed(place: Place, size: number, now: number): Promise<void>;
  /** It is not there as it should be. Due at once. Does nothing where the bucket is not one of the configuration. */
  repair(place: Place, state: 'wanted' | 'doubted', size: number, now: number): Promise<void>;
  /** A try has failed: the next one is due at `due` (epoch ms). */
  failed(place: Place, reason: string, due: number): Promise<void>;
  skip(place: Place, now: number): Promise<void>;
  /** No image can be served by it any more, or nothing is known of it. */
  forget(place: Place): Promise<void>;
  /** What is due in a bucket, the most urgent first. */
  due(store: string, now: number, limit: number): Promise<readonly Placement[]>;
  /** Epoch ms; undefined where nothing is to be done. */
  nextDue(store: string): Promise<number | undefined>;
  /** Of buckets of the configuration. Kept up to date with every write. */
  counts(): Promise<readonly PlacementCount[]>;
}
