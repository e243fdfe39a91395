/** Where scanners that fetch layers themselves find them: at this server, which has them or fetches them once. */
import type { ScannerGate } from '../../config/gates/gate-config.ts';
import type { Digest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { isImageConfigType, isSchema1Type } from '../../oci/media-types.ts';
import { referenceName } from '../../oci/reference.ts';
import type { GatedImage } from '../gates.ts';

export interface LayerPlace {
  readonly digest: Digest;
  readonly url: string;
}

/** Layers of a file system: what a scanner can read. */
const fileSystem = /^application\/vnd\.(?:oci\.image\.layer\.|docker\.image\.rootfs\.)/;

/**
 * All layers of what a runtime can run, whatever they say they are: Docker does not look at their types. Empty for an artifact that is no
 * image. Undefined for a manifest that does not list its layers in a known way (schema 1).
 */
export function layersOf(
  image: GatedImage,
  { contentUrl = '' }: Pick<ScannerGate, 'contentUrl'>,
): readonly LayerPlace[] | undefined {
  const manifest = readManifest(image.bytes, image.mediaType);
  if ('problem' in manifest || isSchema1Type(manifest.mediaType)) return undefined;
  const name = referenceName(image.reference);
  const [config, ...layers] = manifest.children;
  const isImage =
    (config && isImageConfigType(config.mediaType)) ||
    layers.some(({ mediaType }) => fileSystem.test(mediaType));
  return (isImage ? layers : []).map(({ digest }) => ({
    digest,
    url: `${contentUrl}/v2/${name}/blobs/${digest}`,
  }));
}
