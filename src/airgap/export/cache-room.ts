/**
 * Whether the cache can hold all images of an export at once, since they stay until the last one is written. The manifests say it, before a blob
 * is fetched.
 */
import type { CacheAdmin } from '../../cache/cache-admin.ts';
import { formatRoundedSize } from '../../config/toml/units.ts';
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { formatReference, referenceName } from '../../oci/reference.ts';
import type { WarmOptions, WarmReference, WarmReport } from '../../pull/warm-image.ts';
import { type ImageContent, imageContent } from './image-content.ts';
import type { WantedImage } from './wanted-images.ts';

export interface CacheRoomDeps {
  readonly cache: Parameters<typeof imageContent>[0];
  readonly admin: Pick<CacheAdmin, 'bound' | 'usage'>;
  readonly warm: (reference: WarmReference, options: WarmOptions) => Promise<WarmReport>;
}

export interface CacheRoomOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (at: { image: number; reference: string; done: number; size: number }) => void;
}

/** A setting that bounds some of the images, and what these have. */
interface Share {
  readonly what: string;
  /** Bytes, as is the other one. */
  readonly bound: number;
  needed: number;
}

/** An image that cannot be had counts for nothing. Throws EntrepotError BUNDLE_UNWRITABLE, and the reason of `signal`. */
export async function checkCacheRoom(
  { cache, admin, warm }: CacheRoomDeps,
  wanted: readonly WantedImage[],
  { signal, onProgress }: CacheRoomOptions,
): Promise<void> {
  const { maxSize = Number.POSITIVE_INFINITY, hosted } = admin.usage();
  const seen = new Set<Digest>();
  const all: Share = { what: 'cache.max_size', bound: maxSize, needed: 0 };
  const shares = new Map([[all.what, all]]);
  let missing = 0;
  for (const [at, { reference, platforms }] of wanted.entries()) {
    signal.throwIfAborted();
    onProgress({ image: at + 1, reference: formatReference(reference), done: 0, size: 0 });
    const { digest } = await warm(reference, { platforms, signal, isManifestsOnly: true, onProgress() {} });
    if (!digest) continue;
    const image = referenceName(reference);
    const { what, bytes: bound } = admin.bound(image);
    const share = shares.get(what) ?? { what, bound, needed: 0 };
    shares.set(what, share);
    const content = await imageContent(cache, image, { root: digest, platforms });
    for (const [one, size] of sizesOf(content)) {
      if (seen.has(one)) continue;
      seen.add(one);
      all.needed += size;
      if (share !== all) share.needed += size;
      if (content.missing.has(one)) missing += size;
    }
  }
  for (const { what, bound, needed } of shares.values()) {
    if (needed > bound)
      throw tooLarge(
        `${formatRoundedSize(needed)} in all, and ${what} has room for ${formatRoundedSize(bound)}`,
      );
  }
  const left = Math.max(0, maxSize - hosted.bytes);
  if (missing <= left) return;
  const beside = `cache.max_size leaves room for ${formatRoundedSize(left)} beside what is hosted`;
  throw tooLarge(`${formatRoundedSize(missing)} that must be fetched, and ${beside}`);
}

function* sizesOf({ manifests, blobs, missing }: ImageContent): Generator<readonly [Digest, number]> {
  for (const [digest, { bytes }] of manifests) yield [digest, bytes.length];
  yield* blobs;
  yield* missing;
}

function tooLarge(figures: string): EntrepotError {
  const way = 'make room there, or export fewer images at once, each time to another --to';
  return new EntrepotError('BUNDLE_UNWRITABLE', `the images have ${figures}: ${way}`);
}
