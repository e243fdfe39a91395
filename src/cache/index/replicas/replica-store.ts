/**
 * What is known of each tag that a `[[sync]]` block wants: one row for each image, tag and block, since two blocks may want other parts
 * of one tag. It says how far this replica has followed the registry, and never what the tag means for clients (that is the Catalogue).
 *
 *                    a run begins        all of it is here
 *   pending ---------> running ---------------------------> done -- the registry has another digest --> pending
 *      ^                 |  \--- a part, or nothing --> partial, failed -- the next try --> running
 *      '-----------------' the process ended
 *
 * A row goes when its block wants the tag no more, or the tag was removed here. Every method rejects when the index cannot be read or written; each write is one
 * transaction. All times are epoch ms.
 */
import type { Digest } from '../../../oci/digest.ts';

/** From the best to the worst. A repository is as its worst tag. */
export const replicaStates = ['done', 'running', 'pending', 'partial', 'failed'] as const;
export type ReplicaState = (typeof replicaStates)[number];

export interface Replica {
  /** `registry/repository`. */
  readonly image: string;
  readonly tag: string;
  /** The block that wants it. */
  readonly sync: string;
  readonly state: ReplicaState;
  /** The root digest that the registry has, as far as it is known. */
  readonly wanted: Digest | undefined;
  /** The root digest that is here as a whole. */
  readonly here: Digest | undefined;
  /** Runs since it was last done. */
  readonly attempts: number;
  /** When it is tried again; undefined where nothing is to be tried. */
  readonly nextAttempt: number | undefined;
  /** Why it is not done, or why its registry could not be asked, in one sentence. */
  readonly reason: string | undefined;
  /** Bytes that were fetched for it since it was last done, and the seconds that the runs took. */
  readonly bytes: number;
  readonly seconds: number;
  /** When its whole content was last found here, as the registry has it. */
  readonly verifiedAt: number | undefined;
  /** When the registry's change happened that it follows now, or was seen. */
  readonly changedAt: number | undefined;
  /** When it came here as a whole. */
  readonly doneAt: number | undefined;
  /** When it first failed after it was last done; of one that is done, when its registry could first not be asked since. */
  readonly failedAt: number | undefined;
  /** When its registry was last asked for referrers. */
  readonly referrersAt: number | undefined;
}

/** All tags of one image together. */
export interface ReplicaRepository {
  readonly image: string;
  /** The worst of its tags. */
  readonly state: ReplicaState;
  /** Without the row of the list of tags, whose tag is ''. */
  readonly tags: number;
  /** Of those, the ones that are done for every block that wants them. */
  readonly done: number;
  readonly bytes: number;
  /** The earliest of those tags that have one. */
  readonly failedAt: number | undefined;
  readonly nextAttempt: number | undefined;
  /** Of the tag that was not verified for the longest. */
  readonly verifiedAt: number | undefined;
  /** Of one of the worst tags. */
  readonly reason: string | undefined;
}

/** One tag of an image, whatever blocks want it. */
export interface ReplicaTag {
  readonly image: string;
  readonly tag: string;
}

/** One row. */
export interface ReplicaPosition extends ReplicaTag {
  readonly sync: string;
}

export interface ReplicaStore {
  find(position: ReplicaPosition): Promise<Replica | undefined>;
  /** Writes these rows, whole. */
  put(replicas: readonly Replica[]): Promise<void>;
  /** All rows of one image, by tag and block. */
  ofImage(image: string): Promise<readonly Replica[]>;
  /** Of one block, or of all. */
  remove(image: string, tags: readonly string[], sync?: string): Promise<void>;
  /** By image, tag and block, from after `after`. */
  list(after: ReplicaPosition | undefined, limit: number): Promise<readonly Replica[]>;
  /** By image, from after `after`. */
  repositories(after: string, limit: number): Promise<readonly ReplicaRepository[]>;
  /** Says when tags that are partial or failed are tried again: all of one block, or one tag. */
  postpone(which: { readonly sync: string } | ReplicaTag, nextAttempt: number | undefined): Promise<void>;
  /** Rows of each state that some row has. */
  counts(): Promise<readonly { readonly state: ReplicaState; readonly tags: number }[]>;
  /** The earliest `failedAt`. */
  oldestFailure(): Promise<number | undefined>;
  /** Removes the rows of a block, or of all blocks but those, with images that `keeps` does not hold. Gives how many. */
  forget(which: ReplicaCleaning): Promise<number>;
}

/** Rows to remove: those of blocks that are not in the configuration any more, or of images that a block names no more. */
export type ReplicaCleaning =
  | { readonly syncs: readonly string[] }
  | { readonly sync: string; readonly images: readonly string[] };

/** The `reason` of a tag whose run ended with its process. */
export const interrupted = 'the process that brought it ended before it was here';
