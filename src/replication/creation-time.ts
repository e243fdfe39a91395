/** When an image was made, as its config says. Reading it brings the manifest and the config here; no tag changes. */
import type { Digest } from '../oci/digest.ts';
import { type Manifest, readManifest } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { isJsonObject, parseJson } from '../oci/parse-json.ts';
import { blobBytes } from '../pull/blob-bytes.ts';
import { attestationPlatform } from '../pull/image-parts.ts';
import type { Pull } from '../pull/pull.ts';
import type { ImageName } from '../routing/target.ts';

/** Bytes. A larger config is none that a client would read. */
const maxConfig = 4 * 1024 * 1024;
/** Children of an index that are read. */
const maxChildren = 16;

/** Epoch ms: of an index, of its newest image. Undefined where nothing tells, or where it cannot be had. */
export async function creationTime(
  pull: Pick<Pull, 'manifest' | 'blob'>,
  image: ImageName,
  digest: Digest,
): Promise<number | undefined> {
  const manifest = await manifestOf(pull, image, digest);
  if (!manifest) return undefined;
  if (!isIndexType(manifest.mediaType)) return await imageTime(pull, image, manifest);
  const images = manifest.children.filter(
    ({ platform, mediaType }) => platform !== attestationPlatform && isManifestType(mediaType),
  );
  const times: number[] = [];
  for (const child of images.slice(0, maxChildren)) {
    const below = await manifestOf(pull, image, child.digest);
    const time = below && (await imageTime(pull, image, below));
    if (time !== undefined) times.push(time);
  }
  return times.length === 0 ? undefined : Math.max(...times);
}

async function manifestOf(
  pull: Pick<Pull, 'manifest'>,
  image: ImageName,
  digest: Digest,
): Promise<Manifest | undefined> {
  const { registry, repository } = image;
  const pulled = await pull.manifest({
    kind: 'manifest',
    image,
    reference: { registry, repository, digest },
  });
  if (!pulled.found) return undefined;
  const read = readManifest(pulled.value.bytes, pulled.value.mediaType);
  return 'problem' in read ? undefined : read;
}

async function imageTime(
  pull: Pick<Pull, 'blob'>,
  image: ImageName,
  manifest: Manifest,
): Promise<number | undefined> {
  const annotated = manifest.annotations?.['org.opencontainers.image.created'];
  if (annotated !== undefined) return timeOf(annotated);
  const [config] = manifest.children;
  if (!config || isIndexType(manifest.mediaType) || config.size > maxConfig) return undefined;
  const read = await blobBytes(pull, image, config.digest, maxConfig).catch(() => undefined);
  const parsed = read?.ok ? parseJson(read.bytes) : undefined;
  return parsed?.ok && isJsonObject(parsed.value) ? timeOf(parsed.value.created) : undefined;
}

function timeOf(text: unknown): number | undefined {
  const time = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
