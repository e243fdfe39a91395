/** The images in the cache, for people: one entry for each tag, and one for each manifest that has no tag. */
import { setImmediate as turn } from 'node:timers/promises';
import type { CacheAdmin, ListedManifest } from '../cache/cache-admin.ts';
import type { NamePattern } from '../lib/name-patterns.ts';
import { type Completeness, completenessOf } from './completeness.ts';

export interface ListedImage extends Completeness {
  /** `registry/repository`. */
  readonly image: string;
  readonly tag: string | null;
  readonly digest: string;
  readonly mediaType: string;
  /** Stored bytes of the manifest and of all content below it. */
  readonly bytes: number;
  /** ISO 8601. */
  readonly lastUsed: string;
  /** `host/repository` of the endpoint that gave the manifest, or that confirmed the tag last. */
  readonly from: string;
  /** ISO 8601: when the tag was confirmed last. */
  readonly checked: string | null;
  readonly pinned: boolean;
  /** Pushed or imported: never evicted. */
  readonly hosted: boolean;
}

/** Yields in the order of names, and lets other work run between two images. `matches`: undefined for all of them. */
export async function* listImages(
  cache: CacheAdmin,
  matches: NamePattern | undefined,
): AsyncGenerator<ListedImage> {
  for await (const { image } of cache.eachImage()) {
    for (const kept of await cache.manifests(image)) {
      const { tag } = kept;
      if (matches && !matches(image) && !(tag !== undefined && matches(`${image}:${tag}`))) continue;
      yield await listedImage(cache, image, kept);
    }
    await turn();
  }
}

/** One of the manifests of an image. */
export async function listedImage(
  cache: Pick<CacheAdmin, 'children' | 'serves'>,
  image: string,
  { tag, digest, mediaType, bytes, used, endpoint, checkedAt, pinned, hosted }: ListedManifest,
): Promise<ListedImage> {
  return {
    image,
    tag: tag ?? null,
    digest,
    mediaType,
    bytes,
    lastUsed: isoTime(used),
    from: endpoint,
    checked: checkedAt === undefined ? null : isoTime(checkedAt),
    pinned,
    hosted,
    ...(await completenessOf(cache, image, digest)),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
