/** All that is known of one image in the cache: what it is made of, where each part came from, and which other images have it, too. */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Child } from '../cache/index/catalogue.ts';
import { EntrepotError } from '../errors.ts';
import { isManifestType } from '../oci/media-types.ts';
import { formatReference, type Reference, referenceName } from '../oci/reference.ts';
import { type ListedImage, listedImage } from './listed-images.ts';

export interface ImageDetails {
  /** As it was asked for. */
  readonly reference: string;
  /** `registry/repository`. */
  readonly image: string;
  /** Tags of the repository, and its manifests without one; at most 1000. */
  readonly tags: readonly ListedImage[];
  /** The manifest that the reference means; null for a whole repository. */
  readonly manifest: ContentDetails | null;
  /** The platforms of an index; of a single manifest, one without a name. Empty for a whole repository. */
  readonly platforms: readonly PlatformDetails[];
  /** What is attached to the manifest: signatures, SBOMs; at most 100. */
  readonly referrers: readonly ContentDetails[];
}

export interface ContentDetails {
  readonly digest: string;
  /** Bytes; null where neither the content nor a manifest that lists it is here. */
  readonly size: number | null;
  readonly mediaType: string | null;
  /** It is in the cache, and this image may serve it. */
  readonly isHere: boolean;
  /** `host/repository` of the endpoint that it came from; `push`, `bundle` or `fill` if a client brought it; null if the image does not link it. */
  readonly from: string | null;
  /** Other images that link it: at most twenty, and how many there are. */
  readonly sharedWith: readonly string[];
  readonly sharedBy: number;
}

export interface PlatformDetails extends ContentDetails {
  /** `linux/amd64`; null if no index says. */
  readonly platform: string | null;
  /** Config and layers, in their order. Empty if the manifest is not here. */
  readonly contents: readonly ContentDetails[];
}

type Read = Pick<
  CacheAdmin,
  'manifests' | 'children' | 'serves' | 'content' | 'taggedBy' | 'originOf' | 'referrersOf' | 'imagesOf'
>;

const most = { tags: 1000, referrers: 100, shared: 20 };

/** Throws EntrepotError NOT_CACHED where the cache knows nothing of the image, or of its tag or digest. */
export async function describeImage(cache: Read, reference: Reference): Promise<ImageDetails> {
  const image = referenceName(reference);
  const given = formatReference(reference);
  const kept = await cache.manifests(image);
  const { tag } = reference;
  const digest = reference.digest ?? (tag && (await cache.taggedBy(image, tag)));
  const isKnown = digest ? (await cache.originOf(image, digest)) !== undefined : kept.length > 0 && !tag;
  if (!isKnown) throw new EntrepotError('NOT_CACHED', `the cache has no ${given}`);
  const tags: ListedImage[] = [];
  for (const one of kept.slice(0, most.tags)) tags.push(await listedImage(cache, image, one));
  const about = { reference: given, image, tags };
  if (!digest) return { ...about, manifest: null, platforms: [], referrers: [] };

  const describe = (one: Described) => describeContent(cache, image, one);
  const stored = await cache.content(digest);
  const manifest = { digest, size: stored?.size, mediaType: stored?.mediaType };
  const children = await cache.children(digest);
  const isIndex = children.some(
    ({ platform, mediaType }) => platform !== undefined || isManifestType(mediaType),
  );
  const roots: readonly (Described & { readonly platform?: string | undefined })[] = isIndex
    ? children
    : [manifest];
  const platforms: PlatformDetails[] = [];
  for (const root of roots) {
    const contents: ContentDetails[] = [];
    for (const part of await cache.children(root.digest)) contents.push(await describe(part));
    platforms.push({ ...(await describe(root)), platform: root.platform ?? null, contents });
  }
  const referrers: ContentDetails[] = [];
  for (const one of await cache.referrersOf(image, digest, most.referrers)) {
    const content = await cache.content(one);
    referrers.push(await describe({ digest: one, size: content?.size, mediaType: content?.mediaType }));
  }
  return { ...about, manifest: await describe(manifest), platforms, referrers };
}

type Described = Pick<Child, 'digest'> & {
  readonly size: number | undefined;
  readonly mediaType: string | undefined;
};

async function describeContent(
  cache: Read,
  image: string,
  { digest, size, mediaType }: Described,
): Promise<ContentDetails> {
  const others = (await cache.imagesOf(digest)).filter((one) => one !== image);
  return {
    digest,
    size: size ?? null,
    mediaType: mediaType ?? null,
    isHere: await cache.serves(image, digest),
    from: (await cache.originOf(image, digest)) ?? null,
    sharedWith: others.slice(0, most.shared),
    sharedBy: others.length,
  };
}
