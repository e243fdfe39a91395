/** Archives of images, as tools and as attackers make them. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { type BundleContents, bundleId, printBundleManifest } from '../../src/airgap/bundle-manifest.ts';
import { contentPath } from '../../src/airgap/bundle-names.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { parseTag } from '../../src/oci/reference.ts';
import { collect } from './byte-source.ts';
import type { Image, PlacedManifest } from './images.ts';
import { buildTar, type RawEntry, rawTar } from './tar.ts';

/** All that an image is made of, by digest. */
export function contentsOf(
  image: Image,
): readonly { readonly digest: Digest; readonly bytes: Buffer; readonly mediaType?: string }[] {
  const manifests = [image as PlacedManifest, ...image.children];
  return [
    ...manifests.map(({ digest, bytes, mediaType }) => ({ digest, bytes, mediaType })),
    ...image.blobs.map((blob) => ({ digest: blob.digest as Digest, bytes: collect(blob) })),
  ];
}

export interface NamedManifest extends PlacedManifest {
  /** Annotations of the descriptor. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The entries of an OCI layout. */
export function layoutEntries(
  named: readonly NamedManifest[],
  contents: readonly { readonly digest: string; readonly bytes: Uint8Array }[],
): RawEntry[] {
  const manifests = named.map(({ digest, bytes, mediaType, annotations }) => ({
    mediaType,
    digest,
    size: bytes.length,
    ...(annotations && { annotations }),
  }));
  const unique = new Map(contents.map((one) => [one.digest, one.bytes]));
  return [
    { path: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
    { path: 'index.json', body: JSON.stringify({ schemaVersion: 2, manifests }) },
    ...[...unique].map(([digest, body]) => ({ path: `blobs/${digest.replace(':', '/')}`, body })),
  ];
}

/** Annotations with a full name. */
export function fullyNamed(name: string): Record<string, string> {
  return { 'io.containerd.image.name': name };
}

export interface BundleImage {
  readonly name: string;
  readonly tag: string | null;
  readonly image: Image;
}

export interface BundleShape {
  readonly omitted?: BundleContents['omitted'];
  /** Volume of a content; default 1. */
  readonly volumeOf?: (digest: Digest) => number;
  /** Sizes of the parts of a content that is cut; part N lies in volume N. */
  readonly cut?: (digest: Digest) => readonly number[] | undefined;
  readonly volumes?: number;
}

/** The volumes of a bundle. */
export function bundleVolumes(images: readonly BundleImage[], shape: BundleShape = {}): readonly Buffer[] {
  const { omitted = [], volumeOf = () => 1, cut = () => undefined, volumes = 1 } = shape;
  const left = new Set(omitted.map(({ digest }) => digest));
  const contents = new Map(images.flatMap(({ image }) => contentsOf(image)).map((one) => [one.digest, one]));
  const carried = [...contents.values()].filter(({ digest }) => !left.has(digest));
  const blobs = carried.map(({ digest, bytes, mediaType }) => {
    const sizes = cut(digest);
    const parts = sizes?.map((size, at) => ({ volume: at + 1, size })) ?? [
      { volume: volumeOf(digest), size: bytes.length },
    ];
    return { digest, size: bytes.length, ...(mediaType !== undefined && { mediaType }), parts };
  });
  const value: BundleContents = {
    volumes,
    base: [],
    refs: images.map(({ name, tag, image }) => ({
      name,
      tag: tag === null ? null : parseTag(tag)!,
      digest: image.digest,
    })),
    blobs,
    omitted,
  };
  const id = bundleId(value);
  return Array.from({ length: volumes }, (_, at) => {
    const volume = at + 1;
    const entries: RawEntry[] = [
      { path: 'entrepot-bundle.json', body: printBundleManifest(value, id, volume) },
    ];
    entries.push(
      { path: 'oci-layout', body: '{"imageLayoutVersion":"1.0.0"}' },
      { path: 'index.json', body: '{"manifests":[]}' },
    );
    for (const { digest, parts } of blobs) {
      let from = 0;
      for (const [part, { volume: where, size }] of parts.entries()) {
        const body = contents.get(digest)?.bytes.subarray(from, from + size);
        from += size;
        const path = contentPath(digest, parts.length === 1 ? undefined : part + 1);
        if (where === volume && body) entries.push({ path, body });
      }
    }
    return rawTar(entries);
  });
}

/** The entries of a docker-archive of one image with one unpacked layer. */
export function dockerArchive(names: readonly string[]): {
  entries: RawEntry[];
  layer: Buffer;
  config: Buffer;
} {
  const layer = buildTar({ 'hello.txt': 'hello\n' });
  const hex = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [`sha256:${hex(layer)}`] },
    }),
  );
  const manifest = [{ Config: `${hex(config)}.json`, RepoTags: names, Layers: [`${hex(layer)}.tar`] }];
  return {
    entries: [
      { path: `${hex(layer)}.tar`, body: layer },
      { path: `${hex(config)}.json`, body: config },
      { path: 'manifest.json', body: JSON.stringify(manifest) },
      { path: 'repositories', body: '{}' },
    ],
    layer,
    config,
  };
}

/** Writes the archive and gives its path. */
export function writeArchive(path: string, bytes: Uint8Array): string {
  writeFileSync(path, bytes);
  return path;
}
