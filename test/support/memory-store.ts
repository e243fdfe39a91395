/** A BlobStore in memory: the second implementation, which shows that the seam needs no file system. */
import { createHash } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import type { BlobStore, Fault, StoredBlob, Version } from '../../src/cache/blobs/blob-store.ts';
import { KeyedLock } from '../../src/lib/flow/keyed-lock.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../src/oci/digest.ts';

interface StoredObject {
  readonly bytes: Buffer;
  readonly version: Version;
  readonly modified: number;
}

export class MemoryStore implements BlobStore {
  readonly #objects = new Map<Digest, StoredObject>();
  readonly #locks = new KeyedLock();
  #versions = 0;

  /** Puts any bytes under the digest, as damage or another program would. */
  plant(digest: Digest, bytes: Uint8Array): Version {
    this.#versions += 1;
    const version = `v${this.#versions}`;
    this.#objects.set(digest, { bytes: Buffer.from(bytes), version, modified: Date.now() });
    return version;
  }

  async open(digest: Digest): Promise<StoredBlob | undefined> {
    const object = this.#objects.get(digest);
    if (!object) return undefined;
    const { bytes, version, modified } = object;
    return {
      size: bytes.length,
      version,
      modified,
      isCurrent: async () => this.#objects.get(digest) === object,
      stream: (start, end) => streamOf(bytes, start, end),
      close() {},
    };
  }

  async read(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#objects.get(digest)?.bytes;
  }

  async has(digest: Digest): Promise<boolean> {
    return this.#objects.has(digest);
  }

  put(digest: Digest, bytes: Uint8Array): Promise<void> {
    return this.#locks.run(digest, async () => void this.plant(digest, bytes));
  }

  commit(digest: Digest, size: number, file: string): Promise<Version> {
    return this.#locks.run(digest, async () => {
      const bytes = await readFile(file);
      if (bytes.length !== size) throw new Error(`${digest} has ${bytes.length} bytes, not ${size}`);
      await rm(file);
      return this.plant(digest, bytes);
    });
  }

  async makeDurable(): Promise<void> {}

  remove(digest: Digest, isWanted: () => Promise<boolean>): Promise<void> {
    return this.#locks.run(digest, async () => {
      if (!(await isWanted())) this.#objects.delete(digest);
    });
  }

  async list(algorithm: string, first: number): Promise<{ digests: Digest[]; foreign: number }> {
    const prefix = `${algorithm}:${first.toString(16).padStart(2, '0')}`;
    return { digests: [...this.#objects.keys()].filter((digest) => digest.startsWith(prefix)), foreign: 0 };
  }

  async *verify(digest: Digest, size: number): AsyncGenerator<number, Fault | undefined> {
    const bytes = this.#objects.get(digest)?.bytes;
    if (!bytes) return { kind: 'missing', reason: 'it is missing' };
    if (bytes.length !== size) return { kind: 'size', reason: `it has ${bytes.length} bytes, not ${size}` };
    if (size > 0) yield size;
    if (this.#objects.get(digest)?.bytes !== bytes) return undefined;
    const hex = createHash(digestAlgorithm(digest)).update(bytes).digest('hex');
    return hex === digestHex(digest) ? undefined : { kind: 'bytes', reason: 'it has other bytes' };
  }

  space() {
    return { free: Number.POSITIVE_INFINITY, size: Number.POSITIVE_INFINITY };
  }

  async close(): Promise<void> {}
}

function streamOf(bytes: Buffer, start: number, end: number) {
  let at = start;
  return {
    async next() {
      if (at >= end) return undefined;
      if (at >= bytes.length) throw new Error(`there are ${bytes.length} bytes, not ${end}`);
      const chunk = bytes.subarray(at, Math.min(end, at + 64 * 1024));
      at += chunk.length;
      return chunk;
    },
    close() {},
  };
}
