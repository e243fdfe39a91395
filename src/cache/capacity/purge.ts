/**
 * Takes an image, or one tag or digest of it, out of the cache at once. What the image's other manifests list stays
 * visible to it; content goes when no other image links it either.
 *
 * A whole repository can be purged except for what is pinned: the pinned tags stay, with all that their manifests need.
 */
import type { Digest } from '../../oci/digest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { Contents } from '../contents.ts';
import { descendants } from '../descendants.ts';
import type { IndexStore } from '../index/index-store.ts';

/** With neither tag nor digest: the whole repository, with its lists. */
export interface PurgeTarget {
  /** `registry/repository`. */
  readonly image: string;
  readonly tag?: Tag | undefined;
  readonly digest?: Digest | undefined;
  /** Of a whole repository: pinned manifests stay, with their tags, and with the lists of the repository. */
  readonly keepsPinned?: boolean | undefined;
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
  readonly index: IndexStore;
  readonly contents: Pick<Contents, 'remove'>;
  /** Whether a pin matches `registry/repository` or its tag. */
  readonly isPinned: (image: string, tag: string | undefined) => boolean;
}

export function createPurge(deps: PurgeDeps): (target: PurgeTarget) => PurgeReport {
  const { index, isPinned } = deps;

  function doomed({ image, tag, digest, keepsPinned }: PurgeTarget): Set<Digest> {
    const linked = index.linkedBy(image);
    if (tag === undefined && digest === undefined) {
      const pinned = keepsPinned
        ? index.keptManifests(image).filter((kept) => isPinned(image, kept.tag))
        : [];
      const staying = descendants(
        index,
        pinned.map((kept) => kept.digest),
      );
      return new Set(linked.filter((one) => !staying.has(one)));
    }
    const named = digest ?? (tag === undefined ? undefined : index.tag(image, tag)?.digest);
    if (named === undefined) return new Set();
    const otherTags = index.tags(image).filter((name) => name !== tag && digest === undefined);
    if (otherTags.some((name) => index.tag(image, name)?.digest === named)) return new Set();
    const going = descendants(index, [named]);
    const manifests = linked.filter((other) => !going.has(other) && isManifest(other));
    const staying = descendants(index, manifests);
    return new Set(linked.filter((other) => going.has(other) && !staying.has(other)));
  }

  const isManifest = (digest: Digest) => index.content(digest)?.mediaType !== undefined;

  function dropTags(target: PurgeTarget, going: ReadonlySet<Digest>): number {
    const { image, keepsPinned } = target;
    const names = index.tags(image).filter((name) => {
      if (keepsPinned) return !isPinned(image, name);
      const known = index.tag(image, name)?.digest;
      return name === target.tag || (known !== undefined && going.has(known));
    });
    for (const name of names) index.dropTag(image, name);
    return names.length;
  }

  return (target) => {
    const { finish, report } = index.transaction(() => {
      const { image } = target;
      const going = doomed(target);
      const finish: (() => void)[] = [];
      let removed = 0;
      let bytes = 0;
      const tags = dropTags(target, going);
      for (const digest of going) {
        index.unlink(image, digest);
        if (index.imagesOf(digest).length > 0) continue;
        const content = index.content(digest);
        finish.push(deps.contents.remove(digest));
        if (!content) continue;
        removed += 1;
        bytes += content.size;
      }
      const isWhole = target.tag === undefined && target.digest === undefined;
      if (isWhole && !target.keepsPinned) index.dropLists(image);
      return { finish, report: { tags, unlinked: going.size, removed, bytes } };
    });
    for (const removeFile of finish) removeFile();
    return report;
  };
}
