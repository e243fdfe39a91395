/**
 * When replicas last used contents, as they tell each other: what one of them uses stays in the bucket that they share. A replica is
 * *here* from when it has told all, until it is stopped in order. While one is away, what it needs is not known.
 */
import type { Digest } from '../../oci/digest.ts';

export interface ContentUse {
  readonly digest: Digest;
  /** Epoch ms. */
  readonly used: number;
}

export interface ToldReplica {
  readonly replica: string;
  /** ms since it had told all, by one clock for all. */
  readonly age: number;
}

/** Rejects with `Unavailable` while it cannot be asked. */
export interface ContentUses {
  /** Of two uses of one content the later one counts. No two are of one content. */
  tell(uses: readonly ContentUse[]): Promise<void>;
  /** The latest uses that are known, in epoch ms. */
  of(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  /** The replica has told all that it knows. */
  here(replica: string): Promise<void>;
  /** The replica is stopped, and knows nothing that it has not told. */
  gone(replica: string): Promise<void>;
  /** Those that are here, in the order of their names. */
  replicas(): Promise<readonly ToldReplica[]>;
  /** Forgets uses before `uses` (epoch ms), and replicas that have told nothing for `silent` ms. */
  forget(before: { readonly uses: number; readonly silent: number }): Promise<void>;
}
