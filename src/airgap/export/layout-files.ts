/**
 * What makes a volume readable for other tools: `oci-layout` and `index.json` (image-spec, "Image Layout"), and `manifest.json` of
 * `docker save` for versions of Docker that know no OCI layout. It is there on demand only: podman takes it before the OCI layout, and then
 * gives each image another digest.
 *
 * In `index.json`, `org.opencontainers.image.ref.name` is a tag alone, as skopeo and oras have it; `io.containerd.image.name` is the
 * whole name, which containerd, nerdctl and Docker take. `manifest.json` has one platform of each image: linux/amd64, or else the first.
 */
import type { Digest } from '../../oci/digest.ts';
import { type Manifest, readManifest } from '../../oci/manifest.ts';
import { isIndexType, mediaTypes } from '../../oci/media-types.ts';
import { attestationPlatform } from '../../pull/image-parts.ts';
import type { BundleRef } from '../bundle-manifest.ts';
import { contentPath, layoutPaths } from '../bundle-names.ts';
import type { BroughtContent } from './bring-images.ts';
import type { LayoutFile } from './volume-plan.ts';

const configTypes = [
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
];

/** `contents`: those that are in the bundle. `forDocker`: `manifest.json` is wanted, and all of them are in this volume. */
export function layoutFiles(
  refs: readonly BundleRef[],
  contents: ReadonlyMap<Digest, BroughtContent>,
  { forDocker }: { readonly forDocker: boolean },
): readonly LayoutFile[] {
  const file = (path: string, value: unknown) => ({ path, bytes: Buffer.from(JSON.stringify(value)) });
  const docker = forDocker ? dockerImages(refs, contents) : [];
  return [
    file(layoutPaths.layout, { imageLayoutVersion: '1.0.0' }),
    file(layoutPaths.index, indexOf(refs, contents)),
    ...(docker.length === 0 ? [] : [file(layoutPaths.docker, docker)]),
  ];
}

function indexOf(refs: readonly BundleRef[], contents: ReadonlyMap<Digest, BroughtContent>): object {
  const manifests = refs.flatMap(({ name, tag, digest }) => {
    const content = contents.get(digest);
    if (!content?.mediaType) return [];
    const annotations = tag && {
      'io.containerd.image.name': `${name}:${tag}`,
      'org.opencontainers.image.ref.name': tag,
    };
    return [
      { mediaType: content.mediaType, digest, size: content.size, ...(annotations && { annotations }) },
    ];
  });
  return { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests };
}

function dockerImages(
  refs: readonly BundleRef[],
  contents: ReadonlyMap<Digest, BroughtContent>,
): readonly object[] {
  const tagsOf = new Map<Digest, string[]>();
  for (const { name, tag, digest } of refs) {
    const image = imageOf(digest, contents);
    if (tag !== null && image) tagsOf.set(image, [...(tagsOf.get(image) ?? []), `${name}:${tag}`]);
  }
  return [...tagsOf].flatMap(([digest, tags]) => {
    const [config, ...layers] = manifestOf(digest, contents)?.children ?? [];
    const isWhole = layers.every((layer) => contents.has(layer.digest));
    if (!config || !contents.has(config.digest) || !isWhole) return [];
    const Layers = layers.map((layer) => contentPath(layer.digest));
    return [{ Config: contentPath(config.digest), RepoTags: tags, Layers }];
  });
}

/** The image that a reference means for Docker; undefined for what is no image. */
function imageOf(digest: Digest, contents: ReadonlyMap<Digest, BroughtContent>): Digest | undefined {
  const manifest = manifestOf(digest, contents);
  if (!manifest) return undefined;
  if (!isIndexType(manifest.mediaType)) {
    return configTypes.includes(manifest.children[0]?.mediaType ?? '') ? digest : undefined;
  }
  const here = manifest.children.filter(
    (child) => child.platform !== attestationPlatform && contents.has(child.digest),
  );
  const [first] = here;
  const chosen = here.find(({ platform }) => platform === 'linux/amd64') ?? first;
  return chosen && isIndexType(chosen.mediaType) ? undefined : chosen && imageOf(chosen.digest, contents);
}

function manifestOf(digest: Digest, contents: ReadonlyMap<Digest, BroughtContent>): Manifest | undefined {
  const { bytes, mediaType } = contents.get(digest) ?? {};
  if (!bytes || mediaType === undefined) return undefined;
  const manifest = readManifest(bytes, mediaType);
  return 'problem' in manifest ? undefined : manifest;
}
