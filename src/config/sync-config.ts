/** `[[sync]]` of entrepot.toml, as `sync-toml.ts` reads it. */
import type { DailyWindow } from '../lib/daily-window.ts';
import type { Digest } from '../oci/digest.ts';

/** One `[[sync]]`: repositories and tags that are brought here as a whole. */
export interface SyncBlock {
  readonly name: string;
  /** `registry/repository`, with braces and globs (`replication/source-images.ts`). */
  readonly source: string;
  readonly tags: SyncTags;
  /** Of manifests that are brought instead of tags; empty: tags. */
  readonly digests: readonly Digest[];
  /** Patterns of tags that never move: once such a tag is here as a whole, no endpoint is asked for it. */
  readonly immutable: readonly string[];
  /** Such as `linux/arm64`; empty: all. */
  readonly platforms: readonly string[];
  /** A list: artifact types. */
  readonly referrers: 'all' | 'none' | readonly string[];
  /** How tags go that the block brought and does not select any more; undefined: they stay. */
  readonly removal: SyncRemoval | undefined;
  /** What the block selects is not evicted. */
  readonly pin: boolean;
  /** Bytes in a second for all transfers of a run together; undefined: no bound. */
  readonly bandwidth: number | undefined;
  /** A run begins and goes on within it only; undefined: at any time. */
  readonly window: DailyWindow | undefined;
  /** Milliseconds for one run. */
  readonly timeout: number;
  /** A run stops where a host has fewer pulls left than this; undefined: it does not look. */
  readonly floor: number | undefined;
  /** When it runs by itself; undefined: by command alone. */
  readonly when: SyncTimes | undefined;
}

/** `missing = "delete"` of a `[[sync]]`. */
export interface SyncRemoval {
  /** Milliseconds from the first listing without the tag. */
  readonly grace: number;
  /** Tags that one run may remove: so many, or a share (0 to 1) of those of the block, 20 at least. */
  readonly most: { readonly count: number } | { readonly share: number };
}

export type SyncTimes =
  /** Milliseconds. */
  | { readonly every: number }
  /** As in crontab(5); `timezone`: an IANA name. */
  | { readonly cron: string; readonly timezone: string };

/** `tags` of a `[[sync]]`. What each key takes away: `replication/tag-selection.ts`. */
export interface SyncTags {
  /** Empty: all but `sha256-*` and `sha512-*`. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  readonly regex: string | undefined;
  readonly semver: string | undefined;
  readonly newest: number | undefined;
  /** Milliseconds. */
  readonly newerThan: number | undefined;
}
