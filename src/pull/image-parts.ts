/** Which parts of an image a client needs to run it. */
import type { Digest } from '../oci/digest.ts';
import type { Descriptor } from '../oci/manifest.ts';

/** BuildKit lists attestations beside the platforms of an image, under this one. */
export const attestationPlatform = 'unknown/unknown';

/** Layers that a registry must not give out: the client gets them from their own URLs. */
export function isElsewhere({ mediaType }: Pick<Descriptor, 'mediaType'>): boolean {
  return /\.foreign\.|\.nondistributable\./.test(mediaType);
}

/** What an index or an image lists, as far as it tells a platform. */
export interface PlatformPart {
  readonly digest: Digest;
  /** `linux/arm/v7`; only in an index. */
  readonly platform?: string | undefined;
  /** Of an attestation: the image that it is about. */
  readonly attests?: Digest | undefined;
}

/**
 * The children that `platforms` asks for; none: all. `linux/arm64` also means `linux/arm64/v8`. An attestation goes along with the image
 * that it is about. What else is not said to be for a platform (an image's blobs) goes along with all platforms only.
 */
export function chosenParts<Part extends PlatformPart>(
  children: readonly Part[],
  platforms: readonly string[],
): readonly Part[] {
  if (platforms.length === 0 || platformsOf(children).size === 0) return children;
  const isWanted = ({ platform }: Part) => platforms.some((wanted) => isPlatform(platform, wanted));
  const images = new Set(children.filter(isWanted).map(({ digest }) => digest));
  return children.filter(({ digest, attests }) => images.has(digest) || (attests && images.has(attests)));
}

/** The platforms that an index has; of an image, none. */
export function platformsOf(children: readonly Pick<PlatformPart, 'platform'>[]): ReadonlySet<string> {
  const platforms = children.flatMap(({ platform }) => platform ?? []);
  return new Set(platforms.filter((platform) => platform !== attestationPlatform));
}

/** Whether `platform` is `wanted`, or a variant of it. */
export function isPlatform(platform: string | undefined, wanted: string): boolean {
  return platform === wanted || (platform?.startsWith(`${wanted}/`) ?? false);
}
