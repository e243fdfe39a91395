/** The images that an export is asked for: references as they are, globs over what is known here, and what `[[sync]]` blocks select. */
import type { Cache } from '../../cache/cache.ts';
import type { CacheAdmin } from '../../cache/cache-admin.ts';
import { isGlob, readGlob, readListedImage } from '../../config/named-images.ts';
import { isAttached } from '../../oci/attached-tags.ts';
import { readManifest } from '../../oci/manifest.ts';
import { formatReference, parseReference, parseTag } from '../../oci/reference.ts';
import type { WarmReference } from '../../pull/warm-image.ts';

export interface WantedImage {
  readonly reference: WarmReference;
  /** Empty: all. */
  readonly platforms: readonly string[];
}

/** What the blocks of these names select now. */
export type SelectSynced = (
  names: readonly string[],
  signal: AbortSignal,
) => Promise<{ readonly images: readonly WantedImage[]; readonly failures: readonly string[] }>;

export interface WantedImagesDeps {
  readonly cache: Pick<Cache, 'manifest'>;
  readonly admin: Pick<CacheAdmin, 'eachImage' | 'manifests'>;
  readonly isListed: (registry: string, repository: string) => boolean;
  readonly selectSynced: SelectSynced;
}

export interface WantedImages {
  /** Each reference once, sorted. */
  readonly images: readonly WantedImage[];
  readonly failures: readonly string[];
  readonly notes: readonly string[];
}

/** Throws EntrepotError for an argument that is no reference or glob, for an unlisted registry, and for a name that no block has. */
export async function wantedImages(
  deps: WantedImagesDeps,
  asked: {
    readonly images: readonly string[];
    readonly syncs: readonly string[];
    readonly platforms: readonly string[];
  },
  signal: AbortSignal,
): Promise<WantedImages> {
  const { platforms } = asked;
  const found: WantedImage[] = [];
  const notes: string[] = [];
  for (const text of asked.images.filter((text) => !isGlob(text))) {
    found.push({ reference: readListedImage(text, deps.isListed), platforms });
  }
  const globs = asked.images.filter(isGlob).map((glob) => ({ glob, matches: readGlob(glob), isUsed: false }));
  if (globs.length > 0) {
    for await (const { image } of deps.admin.eachImage()) {
      signal.throwIfAborted();
      const name = parseReference(image);
      if (!name.ok) continue;
      for (const { tag: text, digest } of await deps.admin.manifests(image)) {
        const isMatched = globs.filter(
          ({ matches }) => matches(image) || (text !== undefined && matches(`${image}:${text}`)),
        );
        if (isMatched.length === 0 || (await isOfAnother(deps.cache, image, { text, digest }))) continue;
        for (const glob of isMatched) glob.isUsed = true;
        const { registry, repository } = name.value;
        const tag = text === undefined ? undefined : parseTag(text);
        found.push({ reference: { registry, repository, ...(tag ? { tag } : { digest }) }, platforms });
      }
    }
  }
  for (const { glob, isUsed } of globs) if (!isUsed) notes.push(`nothing that is known here matches ${glob}`);
  const synced = asked.syncs.length === 0 ? undefined : await deps.selectSynced(asked.syncs, signal);
  for (const one of synced?.images ?? []) {
    found.push(platforms.length === 0 ? one : { ...one, platforms });
  }
  return { images: merged(found), failures: synced?.failures ?? [], notes };
}

/** Whether it is a signature or another referrer, which comes along with its image. */
async function isOfAnother(
  cache: Pick<Cache, 'manifest'>,
  image: string,
  { text, digest }: { readonly text: string | undefined; readonly digest: WarmReference['digest'] },
): Promise<boolean> {
  if (text !== undefined) return isAttached(text);
  const stored = digest && (await cache.manifest(image, digest));
  if (!stored) return false;
  const manifest = readManifest(stored.bytes, stored.mediaType);
  return 'subject' in manifest && manifest.subject !== undefined;
}

/** Where one reference is wanted for several platforms, all of them are meant. */
function merged(found: readonly WantedImage[]): readonly WantedImage[] {
  const images = new Map<string, WantedImage>();
  for (const one of found) {
    const name = formatReference(one.reference);
    const before = images.get(name);
    const isAll = one.platforms.length === 0 || before?.platforms.length === 0;
    const platforms = isAll ? [] : [...new Set([...(before?.platforms ?? []), ...one.platforms])].toSorted();
    images.set(name, { reference: one.reference, platforms });
  }
  return [...images].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, image]) => image);
}
