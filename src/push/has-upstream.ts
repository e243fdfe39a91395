/**
 * Whether an endpoint of an image has what a pushed manifest lists. A question by HEAD is enough; the image may then serve the content,
 * as after any other HEAD (`pull/`). So a client can push an index of which only one platform is new.
 */

import type { Descriptor } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import type { Pull } from '../pull/pull.ts';
import type { ImageName } from '../routing/target.ts';

/** By way of `pull`: what it finds is linked, and an absence is remembered for a moment. */
export function createHasUpstream({ pull }: { readonly pull: Pick<Pull, 'manifest' | 'headBlob'> }) {
  return async (image: ImageName, { digest, mediaType }: Descriptor): Promise<boolean> => {
    const { registry, repository } = image;
    const found = isManifestType(mediaType)
      ? await pull.manifest({ kind: 'manifest', image, reference: { registry, repository, digest } })
      : await pull.headBlob({ kind: 'blob', image, digest });
    return found.found;
  };
}
