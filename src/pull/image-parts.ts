/** Which parts of an image a client needs to run it. */
import type { Descriptor } from '../oci/manifest.ts';

/** BuildKit lists attestations beside the platforms of an image, under this one. */
export const attestationPlatform = 'unknown/unknown';

/** Layers that a registry must not give out: the client gets them from their own URLs. */
export function isElsewhere({ mediaType }: Pick<Descriptor, 'mediaType'>): boolean {
  return /\.foreign\.|\.nondistributable\./.test(mediaType);
}
