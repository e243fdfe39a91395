/**
 * Images made with umoci from files of this machine, in one OCI layout: a base layer of several MiB that they share, and
 * a small layer of their own. An index names one such image per platform.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, run } from './programs.ts';

export interface Image {
  /** Source for skopeo. */
  readonly source: string;
  readonly digest: string;
  /** Of this machine's platform: digests of the layers as they travel, and unpacked. */
  readonly layers: readonly string[];
  readonly diffIds: readonly string[];
}

export interface ImageWorkshop {
  image(tag: string): Promise<Image>;
  /** An index of linux/amd64 and linux/arm64. */
  index(tag: string): Promise<Image>;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const baseBytes = 12 * 1024 * 1024;
const architecture = process.arch === 'x64' ? 'amd64' : process.arch;

export async function createImageWorkshop(folder: string, env: Environment): Promise<ImageWorkshop> {
  const layout = join(folder, 'layout');
  const files = join(folder, 'files');
  mkdirSync(files, { recursive: true });
  const umoci = (...args: string[]) => run('umoci', args, env);
  const insert = async (tag: string, path: string, content: Uint8Array | string) => {
    const file = join(files, 'inserted');
    writeFileSync(file, content);
    await umoci('insert', '--image', `${layout}:${tag}`, file, path);
  };

  await umoci('init', '--layout', layout);
  await umoci('new', '--image', `${layout}:base`);
  await insert('base', '/opt/base', readFileSync(process.execPath).subarray(0, baseBytes));

  const build = async (tag: string, platform: string) => {
    await umoci('tag', '--image', `${layout}:base`, tag);
    await insert(tag, '/etc/tag', `${tag} for ${platform}\n`);
    await umoci('config', '--image', `${layout}:${tag}`, '--os', 'linux', '--architecture', platform);
    return tagged(layout, tag);
  };

  return {
    async image(tag) {
      const descriptor = await build(tag, architecture);
      return describe(layout, tag, descriptor.digest, descriptor);
    },
    async index(tag) {
      const manifests = [];
      for (const platform of ['amd64', 'arm64']) {
        const descriptor = await build(`${tag}-${platform}`, platform);
        manifests.push({ ...pick(descriptor), platform: { os: 'linux', architecture: platform } });
      }
      const mediaType = 'application/vnd.oci.image.index.v1+json';
      const index = addBlob(layout, Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests })));
      addTag(layout, tag, { mediaType, ...index });
      const own = manifests.find(({ platform }) => platform.architecture === architecture);
      if (own === undefined) throw new Error(`the tests build no image for ${architecture}`);
      return describe(layout, tag, index.digest, own);
    },
  };
}

function describe(layout: string, tag: string, digest: string, own: Descriptor): Image {
  const manifest = readJson<{ config: Descriptor; layers: Descriptor[] }>(blobPath(layout, own.digest));
  const config = readJson<{ rootfs: { diff_ids: string[] } }>(blobPath(layout, manifest.config.digest));
  const layers = manifest.layers.map((layer) => layer.digest);
  return { source: `oci:${layout}:${tag}`, digest, layers, diffIds: config.rootfs.diff_ids };
}

const tagName = 'org.opencontainers.image.ref.name';

interface LayoutIndex {
  readonly manifests: (Descriptor & { annotations?: Record<string, string> })[];
}

function tagged(layout: string, tag: string): Descriptor {
  const index = readJson<LayoutIndex>(join(layout, 'index.json'));
  const found = index.manifests.find((manifest) => manifest.annotations?.[tagName] === tag);
  if (found === undefined) throw new Error(`${layout} has no tag ${tag}`);
  return found;
}

function addTag(layout: string, tag: string, descriptor: Descriptor): void {
  const path = join(layout, 'index.json');
  const index = readJson<LayoutIndex>(path);
  index.manifests.push({ ...descriptor, annotations: { [tagName]: tag } });
  writeFileSync(path, JSON.stringify(index));
}

function addBlob(layout: string, bytes: Buffer): { digest: string; size: number } {
  const digest = sha256(bytes);
  writeFileSync(blobPath(layout, digest), bytes);
  return { digest, size: bytes.length };
}

function pick({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', ...digest.split(':'));
}

function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}
