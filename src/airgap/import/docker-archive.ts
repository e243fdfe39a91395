/**
 * `manifest.json` of a docker-archive: `[{"Config": PATH, "RepoTags": ["alpine:3"], "Layers": [PATH]}]`. The format has no manifests, so
 * one is made: an OCI manifest over the configuration and the layers as they lie in the archive, packed or not. It depends on nothing but
 * their bytes, so each import of the archive gives the same digest; but it is another one than in the registry.
 */
import { EntrepotError } from '../../errors.ts';
import { type Digest, digestHex } from '../../oci/digest.ts';
import { mediaTypes } from '../../oci/media-types.ts';
import { isJsonObject, parseJson } from '../../oci/parse-json.ts';
import { type Archive, maxRefs, type ReadOptions, type WantedRef } from './archive.ts';
import { fullName, givenName, type NamedImage } from './image-names.ts';
import type { Stage } from './stage.ts';

export interface DockerArchive {
  readonly file: string;
  /** `manifest.json`. */
  readonly manifest: Uint8Array;
  /** Staged files by path. */
  readonly files: ReadonlyMap<string, Digest>;
  /** From the path of a layer to the one that it links to. */
  readonly links: ReadonlyMap<string, string>;
  readonly stage: Stage;
}

const configType = 'application/vnd.oci.image.config.v1+json';
const layerType = 'application/vnd.oci.image.layer.v1.tar';
/** Docker makes at most 127. */
const maxLayers = 1000;

/** The images of the archive; their manifests are in the stage then. Throws EntrepotError: BUNDLE_INVALID, USAGE. */
export async function readDockerArchive(archive: DockerArchive, options: ReadOptions): Promise<Archive> {
  const { file, stage } = archive;
  const fail = (problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', `manifest.json ${problem}`, { file });
  };
  const parsed = parseJson(archive.manifest);
  if (!parsed.ok) return fail(parsed.problem);
  if (!Array.isArray(parsed.value)) return fail('is no list');
  const given = options.name === undefined ? undefined : givenName(options.name);
  const refs: WantedRef[] = [];
  for (const [at, image] of parsed.value.entries()) {
    const { Config: config, Layers: layers, RepoTags: tags } = isJsonObject(image) ? image : {};
    if (typeof config !== 'string' || !isTexts(layers) || layers.length > maxLayers)
      return fail(`has no configuration or no layers in [${at}]`);
    const names = isTexts(tags) ? tags : [];
    const bytes = await manifestOf(config, layers);
    const body = (async function* () {
      yield bytes;
    })();
    const digest = await stage.take({
      file,
      path: `the manifest of ${config}`,
      size: bytes.length,
      bytes: body,
    });
    const all = given?.tag ? [given] : imagesOf(names, given, file);
    if (all.length === 0) {
      const message = `names no image in manifest.json: say its name with --name, such as --name quay.io/team/app:1`;
      throw new EntrepotError('USAGE', message, { file });
    }
    refs.push(...all.map((one) => ({ ...one, digest, mediaType: mediaTypes.ociManifest })));
    if (refs.length > maxRefs) fail(`names more than ${maxRefs} images`);
  }
  if (given && parsed.value.length > 1) {
    throw new EntrepotError('USAGE', 'has several images, and --name is for one', { file });
  }
  const note =
    'this is a docker-archive, which has no manifests: they are made anew, and their digests are other ones than in the registry';
  return { format: 'docker-archive', refs, notes: [note] };

  async function manifestOf(config: string, layers: readonly string[]): Promise<Buffer> {
    const configDigest = staged(config);
    const parts: object[] = [];
    const diffs = await diffIds(config, configDigest);
    if (diffs.length !== layers.length)
      fail(`has ${layers.length} layers, and ${config} has ${diffs.length}`);
    for (const [at, path] of layers.entries()) {
      const digest = staged(archive.links.get(path) ?? path);
      const { size, isGzip } = (await stage.find(digest)) ?? gone(path);
      if (!isGzip && digest !== diffs[at])
        throw new EntrepotError('BUNDLE_INVALID', `${path} is damaged: its bytes have the digest ${digest}`, {
          file,
        });
      parts.push({ mediaType: isGzip ? `${layerType}+gzip` : layerType, digest, size });
    }
    const { size } = (await stage.find(configDigest)) ?? gone(config);
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: configType, digest: configDigest, size },
      layers: parts,
    };
    return Buffer.from(JSON.stringify(manifest));
  }

  /** It was in the cache already, so it was not kept in the stage. */
  function gone(path: string): never {
    const message = `${path} has left the cache while the archive was read: import again`;
    throw new EntrepotError('DATA_UNUSABLE', message, { file });
  }

  function staged(path: string): Digest {
    return (
      archive.files.get(path) ??
      fail(`names ${JSON.stringify(path.slice(0, 200))}, which is not in the archive`)
    );
  }

  /** What the layers unpack to. */
  async function diffIds(path: string, digest: Digest): Promise<readonly string[]> {
    const bytes = (await stage.read(digest)) ?? fail(`names ${path}, which is too large for a configuration`);
    const named = /^(?:sha256:)?([a-f0-9]{64})(?:\.json)?$/.exec(path)?.[1];
    if (named !== undefined && named !== digestHex(digest))
      fail(`names ${path}, whose bytes have the digest ${digest}`);
    const config = parseJson(bytes);
    const rootfs = config.ok && isJsonObject(config.value) ? config.value.rootfs : undefined;
    const ids = isJsonObject(rootfs) ? rootfs.diff_ids : undefined;
    return isTexts(ids) ? ids : fail(`names ${path}, which says no diff_ids`);
  }
}

/** The images of `RepoTags`, with the repository of `--name` in place of their own. Throws EntrepotError BUNDLE_INVALID. */
function imagesOf(
  names: readonly string[],
  given: NamedImage | undefined,
  file: string,
): readonly NamedImage[] {
  const images = names.map((name) => fullName(name, file));
  if (!given) return images;
  const tags = new Set(images.map(({ tag }) => tag));
  return tags.size === 0 ? [given] : [...tags].map((tag) => ({ name: given.name, tag }));
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}
