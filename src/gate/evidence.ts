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
import { LRUCache } from 'lru-cache';
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
const maxBytes = 1024 * 1024;
/** Manifests that are remembered. */
const remembered = 10_000;

export type IsEvidence = (image: GatedImage) => Promise<boolean>;

/** Never rejects: what cannot be read is no evidence. */
export function createIsEvidence(pull: Pick<Pull, 'blob'>): IsEvidence {
  const known = new LRUCache<string, true>({ max: remembered });

  return async (image) => {
    const { reference, digest, mediaType, bytes } = image;
    const name = referenceName(reference);
    if (known.has(`${name}@${digest}`)) return true;
    const manifest = readManifest(bytes, mediaType);
    if ('problem' in manifest) return false;
    if (isIndexType(manifest.mediaType)) return reference.tag !== undefined && isAttached(reference.tag);
    const [config, ...layers] = manifest.children;
    const isOfType = layers.length > 0 && layers.every((layer) => evidence.test(layer.mediaType));
    if (!config || !isOfType || layers.length > maxLayers) return false;
    if (isImageConfigType(config.mediaType) && !(await areJson(layers))) return false;
    known.set(`${name}@${digest}`, true);
    return true;

    async function areJson(wanted: readonly Descriptor[]): Promise<boolean> {
      const { registry, repository } = reference;
      for (const layer of wanted) {
        const read = await blobBytes(pull, { registry, repository, name }, layer.digest, maxBytes).catch(
          () => undefined,
        );
        if (!read?.ok) return false;
        const parsed = parseJson(read.bytes);
        if (!parsed.ok || !isJsonObject(parsed.value)) return false;
      }
      return true;
    }
  };
}
