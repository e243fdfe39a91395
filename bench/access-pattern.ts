/**
 * What a fleet asks for, made up from a seed: images whose popularity follows Zipf's law, each a manifest and layers of very
 * mixed size, some of them shared. Replayed through a cache, and through an LRU list that knows everything at once.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenCache } from '../src/cache/open-cache.ts';
import type { Digest } from '../src/oci/digest.ts';
import { readManifest } from '../src/oci/manifest.ts';
import { mediaTypes } from '../src/oci/media-types.ts';
import { digestOf } from '../test/support/byte-source.ts';
import { seededRandom } from '../test/support/seeded-random.ts';

export interface Content {
  readonly digest: Digest;
  readonly size: number;
  /** Of a manifest. */
  readonly bytes?: Buffer;
}

export interface Ratios {
  /** Of all requests, 0 to 1. */
  readonly hits: number;
  /** Of all bytes that were asked for. */
  readonly bytes: number;
}

export interface AccessPattern {
  /** One after the other: what is asked for together, in order. */
  readonly pulls: readonly (readonly Content[])[];
  /** Of all different contents. */
  readonly bytes: number;
}

/** Zipf's exponent: as seen by registries and web caches. */
const exponent = 0.9;
/** Log-normal, as layers are: half of them below this, a few a hundred times as large. */
const medianSize = 16 * 1024;
const spread = 1.6;
const largest = 4 * 1024 * 1024;
const image = 'registry.test/team/app';

/** Each pull is one blob of `count`. */
export function blobPattern(seed: number, count: number, pulls: number): AccessPattern {
  const random = seededRandom(seed);
  const blobs = Array.from({ length: count }, (_, number) => blobOf(random, `${seed} ${number}`));
  return patternOf(
    blobs.map((blob) => [blob]),
    pulls,
    random,
  );
}

/** Each pull is one image of `count`: its manifest, one of 20 base layers, and layers of its own or of a few. */
export function imagePattern(seed: number, count: number, pulls: number): AccessPattern {
  const random = seededRandom(seed);
  const layers = (name: string, number: number) =>
    Array.from({ length: number }, (_, layer) => blobOf(random, `${seed} ${name} ${layer}`));
  const [bases, shared, own] = [layers('base', 20), layers('shared', count), layers('own', 2 * count)];
  const images = Array.from({ length: count }, (_, number) => {
    const listed = [
      bases[zipfLike(random, 20)],
      shared[zipfLike(random, count)],
      own[2 * number],
      own[2 * number + 1],
    ];
    const contents = listed.filter((one) => one !== undefined);
    return [manifestOf(contents, `${seed} ${number}`), ...contents];
  });
  return patternOf(images, pulls, random);
}

function patternOf(
  popular: readonly (readonly Content[])[],
  count: number,
  random: () => number,
): AccessPattern {
  const shares: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= popular.length; rank += 1) {
    sum += rank ** -exponent;
    shares.push(sum);
  }
  const pulls = Array.from({ length: count }, () => popular[firstAbove(shares, random() * sum)] ?? []);
  const sizes = new Map(popular.flat().map(({ digest, size }) => [digest, size]));
  return { pulls, bytes: [...sizes.values()].reduce((total, size) => total + size, 0) };
}

function firstAbove(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Small numbers far more often. */
function zipfLike(random: () => number, count: number): number {
  return Math.floor(count ** random()) - 1;
}

function blobOf(random: () => number, name: string): Content {
  // Box and Muller.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const size = Math.min(largest, Math.max(64, Math.round(medianSize * Math.exp(spread * normal))));
  return { digest: digestOf(Buffer.from(name)), size };
}

function manifestOf(layers: readonly Content[], note: string): Content {
  const [config, ...rest] = layers.map(({ digest, size }) => ({
    mediaType: 'application/octet-stream',
    digest,
    size,
  }));
  const json = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config,
    layers: rest,
    annotations: { note },
  };
  const bytes = Buffer.from(JSON.stringify(json));
  return { digest: digestOf(bytes), size: bytes.length, bytes };
}

/** `step`: called before each pull, to let time go on. Blobs are files of the right length with nothing in them. */
export async function replay(
  cache: OpenCache,
  { pulls }: AccessPattern,
  step: () => Promise<void>,
): Promise<Ratios> {
  const seen = createCounter();
  for (const pull of pulls) {
    await step();
    for (const content of pull) {
      const isHit = await ask(cache, content);
      seen.count(content, isHit);
      if (!isHit) await fetch(cache, content);
    }
  }
  return seen.ratios();
}

async function ask(cache: OpenCache, { digest, bytes }: Content): Promise<boolean> {
  if (bytes) return (await cache.manifest(image, digest)) !== undefined;
  const blob = await cache.open(image, digest);
  blob?.close();
  return blob !== undefined;
}

/** As a transfer does it. */
async function fetch(cache: OpenCache, { digest, size, bytes }: Content): Promise<void> {
  const endpoint = 'registry.test/team/app';
  if (bytes) {
    const manifest = readManifest(bytes, mediaTypes.ociManifest);
    if ('problem' in manifest) throw new Error(manifest.problem);
    await cache.putManifest(image, { digest, bytes, mediaType: manifest.mediaType, manifest, endpoint });
    return;
  }
  const reservation = await cache.reserve(size, [image]);
  if (!reservation) return;
  const file = join(cache.incoming.path, digest.replace(':', '-'));
  const fd = openSync(file, 'w');
  ftruncateSync(fd, size);
  closeSync(fd);
  await cache.link(image, digest, endpoint);
  await cache.commit(digest, size, file);
  reservation.release();
}

/** What a list of the same capacity, in strict order of last use and without any delay, would have given. */
export function replayOnLru({ pulls }: AccessPattern, capacity: number): Ratios {
  const kept = new Map<Digest, number>();
  const seen = createCounter();
  let bytes = 0;
  for (const content of pulls.flat()) {
    const { digest, size } = content;
    const isHit = kept.delete(digest);
    seen.count(content, isHit);
    kept.set(digest, size);
    if (isHit) continue;
    bytes += size;
    for (const [oldest, itsSize] of kept) {
      if (bytes <= capacity) break;
      kept.delete(oldest);
      bytes -= itsSize;
    }
  }
  return seen.ratios();
}

function createCounter() {
  const all = { requests: 0, bytes: 0 };
  const hit = { requests: 0, bytes: 0 };
  return {
    count({ size }: Content, isHit: boolean): void {
      for (const sum of isHit ? [all, hit] : [all]) {
        sum.requests += 1;
        sum.bytes += size;
      }
    },
    ratios: (): Ratios => ({ hits: hit.requests / all.requests, bytes: hit.bytes / all.bytes }),
  };
}
