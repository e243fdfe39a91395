/** Where scanners that fetch layers themselves find them: at this server, which has them or fetches them once. */
import type { ScannerGate } from '../../config/gates/gate-config.ts';
import type { Digest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { isIndexType } from '../../oci/media-types.ts';
import { referenceName } from '../../oci/reference.ts';
import type { GatedImage } from '../gates.ts';

export interface LayerPlace {
  readonly digest: Digest;
  readonly url: string;
}

/** Layers of a file system: what a scanner can read. */
const fileSystem = /^application\/vnd\.(?:oci\.image\.layer\.|docker\.image\.rootfs\.)/;

/** Empty for an index, and for an artifact that is no image. */
export function layersOf(
  image: GatedImage,
  { contentUrl = '' }: Pick<ScannerGate, 'contentUrl'>,
): readonly LayerPlace[] {
  const manifest = readManifest(image.bytes, image.mediaType);
  if ('problem' in manifest || isIndexType(manifest.mediaType)) return [];
  const name = referenceName(image.reference);
  return manifest.children
    .filter(({ mediaType }) => fileSystem.test(mediaType))
    .map(({ digest }) => ({ digest, url: `${contentUrl}/v2/${name}/blobs/${digest}` }));
}
