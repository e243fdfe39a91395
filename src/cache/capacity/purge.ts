/**
 * Takes an image, or one tag or digest of it, out of the cache at once. The index decides what goes (`Inventory.purge`), but for what
 * is pinned.
 *
 * A whole repository can be purged except for what is pinned: the pinned tags stay, with all that their manifests need.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { Inventory } from '../index/inventory.ts';
import type { KeptManifest } from '../index/listing.ts';
import { commandCause } from '../index/outbox/outbox-event.ts';

/** With neither tag nor digest: the whole repository, with its lists. */
export interface PurgeTarget {
  /** `registry/repository`. */
  readonly image: string;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;
  /** Of a whole repository: pinned manifests stay, with their tags, and with the lists of the repository. */
  readonly keepsPinned?: boolean | undefined;
  /** Hosted content stays, with its tags. */
  readonly keepsHosted?: boolean | undefined;
}

export interface PurgeReport {
  readonly tags: number;
  /** Contents that the image links no more. */
  readonly unlinked: number;
  /** Of those, contents that are gone, and their bytes. */
  readonly removed: number;
  readonly bytes: number;
}

export interface PurgeDeps {
  readonly contents: Pick<Inventory, 'purge'>;
  /** The manifests of an image that are pinned, by a pattern or by a block. */
  readonly pinnedOf: (image: string) => Promise<readonly Pick<KeptManifest, 'tag' | 'digest'>[]>;
  readonly clock: Pick<Clock, 'now'>;
}

/** The result resolves when the index is written; the files are queued for deletion then. It rejects when the index cannot be written. */
export function createPurge(deps: PurgeDeps): (target: PurgeTarget) => Promise<PurgeReport> {
  const { contents, pinnedOf, clock } = deps;

  return async ({ keepsPinned, ...target }) => {
    const pinned = keepsPinned ? await pinnedOf(target.image) : [];
    const { tags, unlinked } = await contents.purge({
      ...target,
      deletion: target.keepsHosted ? undefined : { cause: commandCause, at: clock.now() },
      keep: keepsPinned
        ? { tags: pinned.flatMap(({ tag }) => tag ?? []), digests: pinned.map(({ digest }) => digest) }
        : undefined,
    });
    const removed = unlinked.filter(({ isGone, size }) => isGone && size !== undefined);
    const bytes = removed.reduce((sum, { size = 0 }) => sum + size, 0);
    return { tags, unlinked: unlinked.length, removed: removed.length, bytes };
  };
}
