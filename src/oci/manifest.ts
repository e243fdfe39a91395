/**
 * Reads what a manifest says about other content: OCI image manifests and indexes, Docker schema 2 and lists. Schema 1 passes through
 * as opaque bytes. The bytes of a manifest are never changed, because their digest is their name.
 */
import { type Digest, parseDigest } from './digest.ts';
import { isIndexType, isManifestType, isSchema1Type, mediaTypes } from './media-types.ts';
import { isJsonObject, parseJson } from './parse-json.ts';

export interface Descriptor {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly mediaType: string;
  /** Only in an index: `linux/amd64`, `linux/arm/v7`. */
  readonly platform?: string;
  /** Only in an index: the image that this attestation of BuildKit is about (`vnd.docker.reference.digest`). */
  readonly attests?: Digest;
  /** Of what is attached to another manifest: in lists of referrers. */
  readonly artifactType?: string;
  /** The content has URLs of its own: the registry need not have it (image-spec, "Descriptors"). */
  readonly isElsewhere?: true;
}

const dockerConfigType = 'application/vnd.docker.container.image.v1+json';
/** Media types of layers that a registry must not distribute. */
const foreignLayer = /\.foreign\.|\.nondistributable\./;

export interface Manifest {
  readonly mediaType: string;
  /** Config and layers of an image, manifests of an index: what a client may ask for next. */
  readonly children: readonly Descriptor[];
  /** The manifest that this one is attached to (a signature, an SBOM). */
  readonly subject?: Digest;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The limit of all clients and registries (distribution-spec, "Pushing Manifests"). */
export const maxManifestBytes = 4 * 1024 * 1024;

export type ManifestProblem = { readonly problem: string };

/**
 * Reads `bytes` as the manifest that `contentType` (parameters dropped) says it is. If the registry sends no usable type, the
 * `mediaType` in the manifest counts, else its shape, as in Jib and regclient. Gives a problem for anything that is no manifest: an
 * HTML page with status 200 must not become an image. Programs in Go write an empty list as null and a missing type as "".
 */
export function readManifest(bytes: Uint8Array, contentType: string): Manifest | ManifestProblem {
  if (isSchema1Type(contentType)) return { mediaType: contentType, children: [] };
  const parsed = parseJson(bytes);
  if (!parsed.ok) return { problem: `${parsed.problem} (content type "${contentType}")` };
  const json = parsed.value;
  if (!isJsonObject(json)) return { problem: 'is no JSON object' };
  const declared = typeof json.mediaType === 'string' && json.mediaType !== '' ? json.mediaType : undefined;
  const mediaType = isManifestType(contentType) ? contentType : (declared ?? typeByShape(json));
  if (mediaType === undefined || !isManifestType(mediaType)) {
    return { problem: `is of no manifest type (content type "${contentType}")` };
  }
  if (isSchema1Type(mediaType)) return { mediaType, children: [] };
  if (declared !== undefined && declared !== mediaType) {
    return { problem: `says it is "${declared}" but was sent as "${mediaType}"` };
  }

  const isIndex = isIndexType(mediaType);
  const listed = readList(isIndex ? json.manifests : json.layers);
  if (!listed || !(isIndex || isJsonObject(json.config))) {
    return { problem: `lacks the fields of its type "${mediaType}"` };
  }
  const children: Descriptor[] = [];
  for (const item of isIndex ? listed : [json.config, ...listed]) {
    const descriptor = readDescriptor(item);
    if (!descriptor) return { problem: 'holds a descriptor without a valid digest and size' };
    children.push(descriptor);
  }
  const subject = readDescriptor(json.subject);
  const configType =
    isJsonObject(json.config) && typeof json.config.mediaType === 'string'
      ? json.config.mediaType
      : undefined;
  const artifactType = typeof json.artifactType === 'string' ? json.artifactType : configType;
  const annotations = readAnnotations(json.annotations);
  return {
    mediaType,
    children,
    ...(subject && { subject: subject.digest }),
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations && { annotations }),
  };
}

/**
 * Whether the same bytes can be read as an index and as an image, which lets one digest mean two things (CVE-2021-41190,
 * image-spec "Security Considerations"). What they list would depend on the type under which they came first.
 */
export function isAmbiguous(bytes: Uint8Array): boolean {
  const parsed = parseJson(bytes);
  if (!parsed.ok || !isJsonObject(parsed.value)) return false;
  const { manifests, config, layers, fsLayers } = parsed.value;
  return manifests !== undefined && [config, layers, fsLayers].some((field) => field !== undefined);
}

/** The type of a manifest, if its members fit one type only. */
function typeByShape(json: Record<string, unknown>): string | undefined {
  const { config, layers, manifests, fsLayers, signatures } = json;
  const shapes = [layers, manifests, fsLayers].filter((field) => field !== undefined);
  if (shapes.length !== 1) return undefined;
  if (Array.isArray(fsLayers)) {
    return signatures === undefined ? mediaTypes.dockerSchema1 : mediaTypes.dockerSchema1Signed;
  }
  if (json.schemaVersion !== 2) return undefined;
  if (Array.isArray(manifests)) return mediaTypes.ociIndex;
  if (!Array.isArray(layers) || !isJsonObject(config)) return undefined;
  return config.mediaType === dockerConfigType ? mediaTypes.dockerManifest : mediaTypes.ociManifest;
}

function readList(value: unknown): readonly unknown[] | undefined {
  if (value === null) return [];
  return Array.isArray(value) ? value : undefined;
}

function readDescriptor(value: unknown): Descriptor | undefined {
  if (!isJsonObject(value) || typeof value.digest !== 'string') return undefined;
  const digest = parseDigest(value.digest);
  const size = value.size;
  if (!digest || typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) return undefined;
  const platform = readPlatform(value.platform);
  const mediaType = typeof value.mediaType === 'string' ? value.mediaType : 'application/octet-stream';
  const attested = readAnnotations(value.annotations)?.['vnd.docker.reference.digest'];
  const attests = attested === undefined ? undefined : parseDigest(attested);
  const { artifactType } = value;
  const isElsewhere = (Array.isArray(value.urls) && value.urls.length > 0) || foreignLayer.test(mediaType);
  return {
    digest,
    size,
    mediaType,
    ...(platform !== undefined && { platform }),
    ...(attests && { attests }),
    ...(typeof artifactType === 'string' && artifactType !== '' && { artifactType }),
    ...(isElsewhere && { isElsewhere }),
  };
}

function readPlatform(value: unknown): string | undefined {
  if (!isJsonObject(value) || typeof value.os !== 'string' || typeof value.architecture !== 'string')
    return undefined;
  const variant = typeof value.variant === 'string' && value.variant !== '' ? `/${value.variant}` : '';
  return `${value.os}/${value.architecture}${variant}`;
}

function readAnnotations(value: unknown): Record<string, string> | undefined {
  if (!isJsonObject(value)) return undefined;
  const entries = Object.entries(value).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
