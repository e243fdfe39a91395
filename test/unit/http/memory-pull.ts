/** A Pull that has what the test put in, and notes what it was asked. */
import { createHash } from 'node:crypto';
import type { ByteStream } from '../../../src/lib/bytes/byte-stream.ts';
import { type Digest, parseDigest } from '../../../src/oci/digest.ts';
import { mediaTypes } from '../../../src/oci/media-types.ts';
import type { BlobContent, CacheResult, Pull, Pulled } from '../../../src/pull/pull.ts';
import type { Target } from '../../../src/routing/target.ts';
import type { Trail } from '../../../src/upstream/outcome.ts';
import type { Verdict } from '../../../src/upstream/upstream.ts';

export interface MemoryPull extends Pull {
  readonly asked: Target[];
  readonly openBlobs: Set<symbol>;
  readonly openStreams: Set<symbol>;
  cache: CacheResult;
  verdict: Verdict;
  trail: Trail;
  throws: unknown;
  /** Sizes of blobs are not told. */
  isSizeHidden: boolean;
  /** Replaces the stream of every blob. */
  stream: ((start: number, end: number | undefined) => ByteStream) | undefined;
  moreTags: boolean;
  addManifest(name: string, content: string, mediaType?: string): Digest;
  addBlob(name: string, bytes: Buffer): Digest;
}

export function sha256(bytes: Uint8Array | string): Digest {
  return parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)!;
}

/** Bytes in chunks, each overwritten once the contract of ByteStream allows it: a sender that holds on to one is found out. */
export function pooledStream(bytes: Buffer, chunkSize = 64 * 1024): ByteStream & { closed: boolean } {
  let offset = 0;
  const lent: Buffer[] = [];
  return {
    closed: false,
    async next() {
      if (lent.length === 2) lent.shift()?.fill(0xee);
      if (this.closed || offset >= bytes.length) return undefined;
      const chunk = Buffer.from(bytes.subarray(offset, offset + chunkSize));
      offset += chunk.length;
      lent.push(chunk);
      return chunk;
    },
    close() {
      this.closed = true;
      for (const chunk of lent.splice(0)) chunk.fill(0xee);
    },
  };
}

export function createMemoryPull(): MemoryPull {
  const manifests = new Map<string, { digest: Digest; mediaType: string; bytes: Uint8Array }>();
  const blobs = new Map<string, Buffer>();

  function answered<T>(value: T | undefined): Pulled<T> {
    if (pull.throws !== undefined) throw pull.throws;
    if (value === undefined) return { found: false, verdict: pull.verdict, trail: pull.trail };
    return { found: true, value, cache: pull.cache, endpoint: 'm1.corp/x', trail: pull.trail };
  }

  const pull: MemoryPull = {
    asked: [],
    openBlobs: new Set(),
    openStreams: new Set(),
    cache: 'hit',
    verdict: { kind: 'notFound' },
    trail: [],
    throws: undefined,
    isSizeHidden: false,
    stream: undefined,
    moreTags: false,
    addManifest(name, content, mediaType = mediaTypes.ociManifest) {
      const bytes = Buffer.from(content);
      const digest = sha256(bytes);
      const manifest = { digest, mediaType, bytes };
      manifests.set(name, manifest);
      manifests.set(`${name.slice(0, name.lastIndexOf(':'))}@${digest}`, manifest);
      return digest;
    },
    addBlob(name, bytes) {
      const digest = sha256(bytes);
      blobs.set(`${name}@${digest}`, bytes);
      return digest;
    },
    expire: async () => {},
    async manifest(target) {
      pull.asked.push(target);
      const { tag, digest } = target.reference;
      return answered(manifests.get(`${target.image.name}${tag === undefined ? `@${digest}` : `:${tag}`}`));
    },
    async headBlob(target) {
      pull.asked.push(target);
      const bytes = blobs.get(`${target.image.name}@${target.digest}`);
      const size = pull.isSizeHidden ? undefined : bytes?.length;
      return answered(bytes && { digest: target.digest, size });
    },
    async blob(target) {
      pull.asked.push(target);
      const bytes = blobs.get(`${target.image.name}@${target.digest}`);
      if (!bytes) return answered<BlobContent>(undefined);
      const blob = Symbol(target.digest);
      pull.openBlobs.add(blob);
      return answered({
        digest: target.digest,
        size: pull.isSizeHidden ? undefined : bytes.length,
        open(start: number, end?: number) {
          const id = Symbol(`${start}-${end}`);
          pull.openStreams.add(id);
          const stream = pull.stream?.(start, end) ?? pooledStream(bytes.subarray(start, end));
          return {
            next: () => stream.next(),
            close() {
              pull.openStreams.delete(id);
              stream.close();
            },
          };
        },
        close: () => pull.openBlobs.delete(blob),
      });
    },
    async tags(target) {
      pull.asked.push(target);
      return answered(
        target.image.repository === 'none' ? undefined : { tags: ['1.0', '1.1'], more: pull.moreTags },
      );
    },
    async referrers(target) {
      pull.asked.push(target);
      const bytes = Buffer.from('{"schemaVersion":2,"manifests":[]}');
      return answered({ bytes, filtered: target.artifactType !== undefined });
    },
    ensure: () => Promise.reject(new Error('no request of a client ensures')),
  };
  return pull;
}
