/** Data folders, contents and clocks for the tests of the cache. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CacheDeps, CacheOptions } from '../../../src/cache/cache-parts.ts';
import type { OpenCache } from '../../../src/cache/open-cache.ts';
import { openCache } from '../../../src/cache/open-cache.ts';
import { createBufferPool } from '../../../src/lib/bytes/buffer-pool.ts';
import type { ByteStream } from '../../../src/lib/bytes/byte-stream.ts';
import { type Clock, systemClock } from '../../../src/lib/clock.ts';
import { type Digest, parseDigest } from '../../../src/oci/digest.ts';
import { readManifest } from '../../../src/oci/manifest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import { parseTag, type Tag } from '../../../src/oci/reference.ts';

export { tempFolder as dataFolder } from '../../support/temp-folder.ts';

export const buffers = createBufferPool({ budget: 64 * 1024 * 1024, keep: 0 });

export const image = 'docker.io/library/alpine';
export const endpoint = 'mirror.test/library/alpine';

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Record<string, unknown>;
}

export function collectLog(lines: LogLine[] = []) {
  const at = (level: LogLine['level']) => (fields: object, message: string) => {
    lines.push({ level, message, fields: fields as Record<string, unknown> });
  };
  return { lines, info: at('info'), warn: at('warn'), error: at('error') };
}

export interface MovableClock extends Clock {
  advance(ms: number): void;
}

/**
 * The real time of day, and no time passes: work that is done in slices of a few milliseconds is then done in one, however
 * busy the machine is.
 */
export const unhurriedClock: Clock = { ...systemClock, monotonic: () => 0 };

/** Time is moved by hand, so no slice of work ever takes too long; timers are real. */
export function movableClock(start = 1_700_000_000_000): MovableClock {
  let now = start;
  return {
    ...systemClock,
    now: () => now,
    monotonic: () => now,
    advance: (ms) => {
      now += ms;
    },
  };
}

export async function open(
  t: TestContext,
  data: string,
  options: Partial<CacheOptions> = {},
  deps: Partial<CacheDeps> = {},
): Promise<OpenCache> {
  const cache = await openCache(
    { clock: unhurriedClock, log: collectLog(), buffers, ...deps },
    { data, maxSize: undefined, minFree: 0, quotas: [], pins: [], ...options },
  );
  t.after(() => cache.close());
  return cache;
}

export function digestOf(bytes: Uint8Array, algorithm = 'sha256'): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`)!;
}

export function tagOf(text: string): Tag {
  return parseTag(text)!;
}

export async function addBlob(
  cache: OpenCache,
  bytes: Uint8Array = randomBytes(1000),
  options: { image?: string; algorithm?: string } = {},
): Promise<Digest> {
  const digest = digestOf(bytes, options.algorithm);
  const file = join(cache.incoming.path, `${digest.replace(':', '-')}-${randomBytes(4).toString('hex')}`);
  writeFileSync(file, bytes);
  await cache.commit(digest, bytes.length, file);
  await cache.link(options.image ?? image, digest, endpoint);
  return digest;
}

export function manifestOf(children: readonly { digest: Digest; size: number }[], note = '') {
  const json = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...children[0] },
    layers: children
      .slice(1)
      .map((child) => ({ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', ...child })),
    annotations: { note },
  };
  return written(json, mediaTypes.ociManifest);
}

export function indexOf(children: readonly { digest: Digest; bytes: Uint8Array }[], note = '') {
  const json = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociIndex,
    manifests: children.map(({ digest, bytes }, position) => ({
      mediaType: mediaTypes.ociManifest,
      digest,
      size: bytes.length,
      platform: { os: 'linux', architecture: `arch${position}` },
    })),
    annotations: { note },
  };
  return written(json, mediaTypes.ociIndex);
}

function written(json: object, mediaType: string) {
  const bytes = Buffer.from(JSON.stringify(json));
  const manifest = readManifest(bytes, mediaType);
  if ('problem' in manifest) throw new Error(manifest.problem);
  return { digest: digestOf(bytes), mediaType, bytes, manifest, endpoint };
}

export async function readAll(stream: ByteStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let chunk = await stream.next(); chunk; chunk = await stream.next()) chunks.push(Buffer.from(chunk));
  stream.close();
  return Buffer.concat(chunks);
}
