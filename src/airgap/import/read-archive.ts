/**
 * Reads one archive into the stage, and says which images it names. The paths of its entries say what it is:
 *
 *   entrepot-bundle.json first ................ a volume of a bundle: nothing else than it announces may follow
 *   oci-layout, index.json, blobs/... ......... OCI image layout (skopeo, crane, oras, buildx, docker save from 25 on)
 *   manifest.json and files that it names ..... docker-archive (docker save before 25, crane, bazel)
 *   docker/registry/v2/... .................... the folder of a registry, as oc-mirror v2 packs it
 *
 * Contents are hashed as they come; what names them may stand anywhere.
 */
import { EntrepotError } from '../../errors.ts';
import { type Digest, parseDigest } from '../../oci/digest.ts';
import { type BundleManifest, parseBundleManifest } from '../bundle-manifest.ts';
import { bundleManifestPath, layoutPaths, parseContentPath } from '../bundle-names.ts';
import { maxFileBytes } from '../strict-fields.ts';
import { readTar, type TarEntry } from '../tar-reader.ts';
import { type Archive, maxIndexBytes, type ReadOptions } from './archive.ts';
import { bundleRefs, createVolumeCheck } from './bundle-volume.ts';
import { readDockerArchive } from './docker-archive.ts';
import { readLayout } from './oci-layout.ts';
import { createRegistryTree } from './registry-tree.ts';
import type { Stage } from './stage.ts';
import { unpacked } from './unpacked.ts';

export interface Volume {
  /** For messages. */
  readonly file: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** Entries of one archive, of which oc-mirror writes some ten for each image, and the characters of all their paths. */
const bounds = { entries: 500_000, paths: 64 * 1024 * 1024 };
/** Where the last image of `docker save` is told by old readers; `manifest.json` says the same. */
const ignored = new Set(['repositories', layoutPaths.layout]);
/** `docker save` of old versions links layers that several images share. */
const layerLink = /^\.\.\/([a-f0-9]{64}(?:\/layer)?\.tar)$/;

/** Throws EntrepotError BUNDLE_INVALID, DATA_UNUSABLE or USAGE. */
export async function readArchive(volume: Volume, stage: Stage, options: ReadOptions): Promise<Archive> {
  const { file } = volume;
  const fail = (problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', problem, { file });
  };
  const seen = new Set<string>();
  const jsons = new Map<string, Uint8Array>();
  /** Other files, which a docker-archive may mean, and links between them. */
  const files = new Map<string, Digest>();
  const links = new Map<string, string>();
  const tree = createRegistryTree(file);
  let bundle: BundleManifest | undefined;
  let check: ReturnType<typeof createVolumeCheck> | undefined;

  async function takeBundleEntry(entry: TarEntry): Promise<void> {
    if (!check) return;
    const { path, size } = entry;
    const incoming = { file, path, size, bytes: entry.body() };
    const found = check.entry(path, size);
    if (found === 'layout') return;
    if (found.part === undefined) await stage.take(incoming, found.blob.digest);
    else await stage.takePart(incoming, found.blob, found.part);
  }

  async function takeEntry(entry: TarEntry): Promise<void> {
    const { path, size } = entry;
    const incoming = { file, path, size, bytes: entry.body() };
    if (entry.target !== undefined) {
      const to = layerLink.exec(entry.target)?.[1];
      if (!to || !/^[a-f0-9]{64}\/layer\.tar$/.test(path))
        fail(`${JSON.stringify(path)} is a symbolic link, which is never followed`);
      else links.set(path, to);
      return;
    }
    if (ignored.has(path)) return;
    if (path === layoutPaths.index || path === layoutPaths.docker) {
      jsons.set(path, await readSmall(entry, maxIndexBytes));
      return;
    }
    const content = parseContentPath(path);
    if (content?.part !== undefined)
      fail(`${path} is a part of a blob, and the archive has no ${bundleManifestPath}`);
    if (tree.owns(path)) {
      const digest = tree.digestOf(path);
      if (digest) await stage.take(incoming, digest);
      else if (tree.isLink(path)) tree.link(path, await readSmall(entry, maxLink));
      return;
    }
    files.set(path, await stage.take(incoming, content?.digest ?? digestInName(path)));
  }

  /** The whole body. A bound in bytes, whatever its header says. */
  async function readSmall(entry: TarEntry, most: number): Promise<Uint8Array> {
    if (entry.size > most) fail(`${entry.path} has ${entry.size} bytes: more than ${most}`);
    const parts: Uint8Array[] = [];
    for await (const part of entry.body()) parts.push(part);
    return Buffer.concat(parts);
  }

  let isFirst = true;
  for await (const entry of readTar(unpacked(volume.bytes, file), file, bounds)) {
    const { path, isFolder } = entry;
    if (path !== '' && !isFolder) {
      if (seen.has(path)) fail(`${path} is in the archive twice`);
      seen.add(path);
    }
    if (path === bundleManifestPath) {
      if (!isFirst) fail(`${path} is not the first entry`);
      if (options.name !== undefined)
        throw new EntrepotError('USAGE', 'is a bundle, which names its images itself: leave out --name', {
          file,
        });
      bundle = parseBundleManifest(await readSmall(entry, maxFileBytes), `${file}: ${path}`);
      check = createVolumeCheck(bundle, file);
      await stage.expect(await check.missingBytes(stage), file);
    } else if (check) {
      if (isFolder || entry.target !== undefined) fail(`${path} is no file: a bundle has files alone`);
      await takeBundleEntry(entry);
    } else if (!isFolder) await takeEntry(entry);
    isFirst = false;
  }
  if (bundle && check) {
    check.end();
    return { format: 'bundle', bundle, refs: bundleRefs(bundle), notes: [] };
  }
  const index = jsons.get(layoutPaths.index);
  const docker = jsons.get(layoutPaths.docker);
  if (index) return readLayout({ file, index, docker }, options);
  if (docker) return readDockerArchive({ file, manifest: docker, files, links, stage }, options);
  if (!tree.isEmpty) return tree.archive(options);
  return fail(
    'is no archive of images: it has neither index.json nor manifest.json, nor the folder of a registry',
  );
}

/** Bytes of a link in the folder of a registry: a digest. */
const maxLink = 256;

/** Configurations of docker-archives are named after their digest. Layers are not always: `HEX.tar.gz` may name what it unpacks to. */
function digestInName(path: string): Digest | undefined {
  const [, hex] = /^([a-f0-9]{64})\.json$/.exec(path) ?? [];
  return hex === undefined ? parseDigest(path) : parseDigest(`sha256:${hex}`);
}
