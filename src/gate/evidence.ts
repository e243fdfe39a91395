/**
 * Manifests of signatures and attestations, which clients fetch to check an image themselves. They have no signature of their own, so
 * gates let them through; but an image that only pretends to be one must not pass:
 *
 *   each layer is of a type for evidence      containerd and podman unpack none of these
 *   the config is of no type that Docker runs
 *   or each layer is JSON (cosign's .sig)     no runtime unpacks that: a tar holds zero bytes, and JSON holds none
 *
 * The list of referrers under a tag `sha256-HEX` is let through, too. It accepts nothing that it lists.
 */
import { isAttached } from '../oci/attached-tags.ts';
import { type Descriptor, readManifest } from '../oci/manifest.ts';
import { isImageConfigType, isIndexType } from '../oci/media-types.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import { referenceName } from '../oci/reference.ts';
import { blobBytes } from '../pull/blob-bytes.ts';
import type { Pull } from '../pull/pull.ts';
import type { GatedImage } from './gates.ts';

const evidence =
  /^application\/(?:vnd\.dev\.cosign\.simplesigning\.v1\+json|vnd\.dsse\.envelope\.v1\+json|vnd\.dev\.sigstore\.bundle[.+].+|jose\+json|cose)$/;
const maxLayers = 50;
/** Bytes of all layers that are read. */
const maxBytes = 4 * 1024 * 1024;

/** Undefined: a layer could not be read. `signal` ends the reading. */
export type IsEvidence = (image: GatedImage, signal: AbortSignal) => Promise<boolean | undefined>;

/** Never rejects. It is a part of the check of a gate, so that its answer is kept as a verdict. */
export function createIsEvidence(pull: Pick<Pull, 'blob'>): IsEvidence {
  return async ({ reference, mediaType, bytes }, signal) => {
    const manifest = readManifest(bytes, mediaType);
    if ('problem' in manifest) return false;
    if (isIndexType(manifest.mediaType)) return reference.tag !== undefined && isAttached(reference.tag);
    const [config, ...layers] = manifest.children;
    const isOfType = layers.length > 0 && layers.every((layer) => evidence.test(layer.mediaType));
    if (!config || !isOfType || layers.length > maxLayers) return false;
    return !isImageConfigType(config.mediaType) || areJson(layers);

    async function areJson(wanted: readonly Descriptor[]): Promise<boolean | undefined> {
      const { registry, repository } = reference;
      const image = { registry, repository, name: referenceName(reference) };
      let left = maxBytes;
      for (const { digest } of wanted) {
        if (signal.aborted) return undefined;
        const read = await blobBytes(pull, image, digest, left).catch(() => undefined);
        // Without a verdict it is there, and too large.
        if (!read?.ok) return read && !read.verdict ? false : undefined;
        left -= read.bytes.length;
        const parsed = parseJson(read.bytes);
        if (!parsed.ok || !isJsonObject(parsed.value)) return false;
      }
      return true;
    }
  };
}
