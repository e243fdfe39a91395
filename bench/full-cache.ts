/**
 * A data folder as it is after years: made through the program's own index, so that it is what the program would have
 * written. The files have names and sizes, not contents: most are links to a few files, but for those that are evicted or asked for.
 */
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openIndex } from '../src/cache/index/open-index.ts';
import type { Digest } from '../src/oci/digest.ts';
import { readManifest } from '../src/oci/manifest.ts';
import { mediaTypes } from '../src/oci/media-types.ts';
import { digestOf } from '../test/support/byte-source.ts';
import { storedFile } from '../test/support/stored-files.ts';

export interface FullCache {
  /** Paths of manifests by tag whose files are whole, the most lately used. */
  readonly asked: readonly string[];
  /** Bytes of all contents. */
  readonly bytes: number;
  readonly blobSize: number;
}

export interface FullCacheOptions {
  /** Five for each manifest. */
  readonly blobs: number;
  /** Manifests that have a tag, and whose bytes are here. */
  readonly asked: number;
  /** Of the least lately used blobs, so many have a file of their own. */
  readonly real: number;
}

const layersEach = 5;
const manifestsEach = 100;
const blobSize = 4096;
/** ext4 takes 65,000. */
const linksEach = 60_000;
const year = 365 * 24 * 60 * 60 * 1000;
const atOnce = 500;

/** `registry`: what the images' names begin with. Every second manifest has a tag. */
export function fillCache(data: string, registry: string, options: FullCacheOptions): FullCache {
  const count = Math.floor(options.blobs / layersEach);
  const place = createPlacing(data);
  const { index } = openIndex(join(data, 'index-v1.sqlite'), 0);
  const asked: string[] = [];
  const now = Date.now();
  for (let first = 0; first < count; first += atOnce) {
    index.transaction(() => {
      for (let number = first; number < Math.min(first + atOnce, count); number += 1) {
        const repository = `team-${Math.floor(number / manifestsEach)}/app`;
        const image = `${registry}/${repository}`;
        const used = now - year + Math.floor((year / count) * number);
        const layers = Array.from({ length: layersEach }, (_, layer) => madeUp(`${number} ${layer}`));
        const { bytes, manifest } = manifestOf(layers);
        const isAsked = number >= count - options.asked;
        const digest = isAsked ? digestOf(bytes) : madeUp(`manifest ${number}`);
        place(digest, isAsked ? bytes : bytes.length);
        index.addManifest(digest, bytes.length, manifest, used);
        index.link(image, digest, registry, used);
        for (const [layer, blob] of layers.entries()) {
          place(blob, number * layersEach + layer < options.real ? Buffer.alloc(blobSize) : blobSize);
          index.addBlob(blob, blobSize, used);
          index.link(image, blob, registry, used);
        }
        if (!isAsked && number % 2 === 1) continue;
        index.setTag(image, `v${number}`, { digest, endpoint: registry, checkedAt: now });
        if (isAsked) asked.push(`/v2/${repository}/manifests/v${number}`);
      }
    });
  }
  const { bytes } = index.totals();
  index.close();
  return { asked, bytes, blobSize };
}

function madeUp(name: string): Digest {
  return `sha256:${createHash('sha256').update(name).digest('hex')}` as Digest;
}

function manifestOf(layers: readonly Digest[]) {
  const [config, ...rest] = layers.map((digest) => ({ digest, size: blobSize }));
  const json = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: rest.map((layer) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...layer })),
  };
  const bytes = Buffer.from(JSON.stringify(json));
  const manifest = readManifest(bytes, mediaTypes.ociManifest);
  if ('problem' in manifest) throw new Error(manifest.problem);
  return { bytes, manifest };
}

/** Puts a file in its place: of these bytes, or one of this size that is shared with others. */
function createPlacing(data: string): (digest: Digest, content: Uint8Array | number) => void {
  const folders = new Set<string>();
  const shared = new Map<number, { path: string; links: number }>();
  return (digest, content) => {
    const path = storedFile(data, digest);
    const folder = dirname(path);
    if (!folders.has(folder)) mkdirSync(folder, { recursive: true });
    folders.add(folder);
    if (typeof content !== 'number') {
      writeFileSync(path, content);
      return;
    }
    const known = shared.get(content);
    if (known && known.links < linksEach) {
      linkSync(known.path, path);
      known.links += 1;
    } else {
      writeFileSync(path, Buffer.alloc(content));
      shared.set(content, { path, links: 1 });
    }
  };
}
