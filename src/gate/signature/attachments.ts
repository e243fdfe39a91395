/**
 * Sigstore signatures in the registry of an image: under the tag `sha256-HEX.sig`, one layer for each, and bundles of cosign 3 among
 * its referrers. What a registry gives is capped in number and bytes: a hostile one costs a bounded time.
 */
import type { Digest } from '../../oci/digest.ts';
import { parseDigest } from '../../oci/digest.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { parseTag, type Reference, referenceName } from '../../oci/reference.ts';
import { blobBytes } from '../../pull/blob-bytes.ts';
import type { Pull } from '../../pull/pull.ts';
import { verdictText } from '../../pull/verdict-text.ts';
import type { ImageName } from '../../routing/target.ts';
import type { SigstoreSignature } from './sigstore.ts';

/** `unknown`: why it cannot be told now whether there are (more) signatures. */
export interface Found<T> {
  readonly signatures: readonly T[];
  readonly unknown?: string | undefined;
}

/** The media type of the layers of cosign's signatures. */
export const simpleSigningType = 'application/vnd.dev.cosign.simplesigning.v1+json';
/** Artifact type and media type of bundles, such as `application/vnd.dev.sigstore.bundle.v0.3+json`. */
export const bundleType = /^application\/vnd\.dev\.sigstore\.bundle(?:\.v0\.\d\+json|\+json;version=0\.\d)$/;

/** Signatures of one image that are looked at. */
const maxSignatures = 50;
/** Bytes of one. */
const maxBytes = 128 * 1024;

/** Never rejects for what a registry does; `signal` ends the search. */
export async function findAttachments(
  pull: Pick<Pull, 'manifest' | 'blob'>,
  image: Reference,
  digest: Digest,
  signal: AbortSignal,
): Promise<Found<SigstoreSignature>> {
  const tag = parseTag(`${digest.replace(':', '-')}.sig`);
  if (!tag) return { signatures: [] };
  const name = imageName(image);
  const { registry, repository } = image;
  const pulled = await pull.manifest({
    kind: 'manifest',
    image: name,
    reference: { registry, repository, tag },
  });
  if (!pulled.found) {
    return pulled.verdict.kind === 'notFound'
      ? { signatures: [] }
      : { signatures: [], unknown: `its signatures: ${verdictText(pulled.verdict, pulled.trail)}` };
  }
  const layers = layersOf(pulled.value.bytes).filter(({ mediaType }) => mediaType === simpleSigningType);
  const signatures: SigstoreSignature[] = [];
  let unknown: string | undefined;
  for (const layer of layers.slice(0, maxSignatures)) {
    if (signal.aborted) return { signatures, unknown: 'its signatures did not come in time' };
    const read = await readBlob(pull, name, layer.digest);
    if ('unknown' in read) unknown ??= read.unknown;
    else if (read.bytes) signatures.push({ payload: read.bytes, annotations: layer.annotations });
  }
  return { signatures, unknown };
}

/** Bundles as JSON. Never rejects for what a registry does. */
export async function findBundles(
  pull: Pick<Pull, 'manifest' | 'blob' | 'referrers'>,
  image: Reference,
  digest: Digest,
  signal: AbortSignal,
): Promise<Found<unknown>> {
  const name = imageName(image);
  const listed = await pull.referrers({ kind: 'referrers', image: name, subject: digest });
  if (!listed.found) {
    return listed.verdict.kind === 'notFound'
      ? { signatures: [] }
      : { signatures: [], unknown: `its referrers: ${verdictText(listed.verdict, listed.trail)}` };
  }
  const bundles: unknown[] = [];
  let unknown: string | undefined;
  for (const one of descriptorsIn(listed.value.bytes).slice(0, maxSignatures)) {
    if (signal.aborted) return { signatures: bundles, unknown: 'its bundles did not come in time' };
    const { registry, repository } = image;
    const reference = { registry, repository, digest: one };
    const pulled = await pull.manifest({ kind: 'manifest', image: name, reference });
    if (!pulled.found) {
      if (pulled.verdict.kind !== 'notFound') unknown ??= verdictText(pulled.verdict, pulled.trail);
      continue;
    }
    const layer = layersOf(pulled.value.bytes).find(({ mediaType }) => bundleType.test(mediaType));
    const read = layer && (await readBlob(pull, name, layer.digest));
    if (read && 'unknown' in read) unknown ??= read.unknown;
    else if (read?.bytes) {
      const parsed = parseJson(read.bytes);
      if (parsed.ok) bundles.push(parsed.value);
    }
  }
  return { signatures: bundles, unknown };
}

/** No bytes: it is larger than a signature can be, or no endpoint has it. */
async function readBlob(
  pull: Pick<Pull, 'blob'>,
  image: ImageName,
  digest: Digest,
): Promise<{ readonly bytes: Buffer | undefined } | { readonly unknown: string }> {
  const read = await blobBytes(pull, image, digest, maxBytes);
  if (read.ok) return { bytes: read.bytes };
  const isAbsent = read.verdict === undefined || read.verdict.kind === 'notFound';
  return isAbsent || !read.verdict
    ? { bytes: undefined }
    : { unknown: verdictText(read.verdict, read.trail) };
}

interface Layer {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly annotations: Readonly<Record<string, unknown>>;
}

function layersOf(manifest: Uint8Array): readonly Layer[] {
  return listIn(manifest, 'layers').flatMap((one) => {
    const digest = typeof one.digest === 'string' ? parseDigest(one.digest) : undefined;
    if (!digest || typeof one.mediaType !== 'string') return [];
    return [
      { digest, mediaType: one.mediaType, annotations: isJsonObject(one.annotations) ? one.annotations : {} },
    ];
  });
}

function descriptorsIn(index: Uint8Array): readonly Digest[] {
  return listIn(index, 'manifests').flatMap(({ artifactType, digest }) => {
    const isBundle = typeof artifactType === 'string' && bundleType.test(artifactType);
    const parsed = isBundle && typeof digest === 'string' ? parseDigest(digest) : undefined;
    return parsed ? [parsed] : [];
  });
}

function listIn(bytes: Uint8Array, key: string): readonly Record<string, unknown>[] {
  const parsed = parseJson(bytes);
  const list = parsed.ok && isJsonObject(parsed.value) ? parsed.value[key] : undefined;
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}

function imageName(reference: Reference): ImageName {
  const { registry, repository } = reference;
  return { registry, repository, name: referenceName(reference) };
}
