/** Transfers on real files with a scripted source: what every test of the engine stands on. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { IncomingFolder } from '../../src/cache/incoming/incoming-folder.ts';
import { createBufferPool } from '../../src/lib/bytes/buffer-pool.ts';
import type { ByteStream } from '../../src/lib/bytes/byte-stream.ts';
import { createHasher, type Hasher } from '../../src/lib/bytes/hasher.ts';
import { type Clock, systemClock } from '../../src/lib/clock.ts';
import { type Digest, parseDigest } from '../../src/oci/digest.ts';
import type { TransferLimits } from '../../src/transfer/limits.ts';
import type { TransfersDeps } from '../../src/transfer/transfer-deps.ts';
import { createTransfers, type OpenedTransfer, type Transfers } from '../../src/transfer/transfers.ts';

export interface TransferBench {
  readonly transfers: Transfers;
  readonly incoming: string;
  /** What was taken into the store, by digest. */
  stored(digest: Digest): Buffer | undefined;
  /** Resolves when the blob is in the store. */
  whenStored(digest: Digest): Promise<void>;
  readonly reports: { endpoint: string; fault: string; reason: string }[];
  readonly relayed: string[];
}

export function transferBench(
  folder: string,
  hasher: Hasher,
  options: {
    limits?: Partial<TransferLimits>;
    fill?: 'always' | 'never' | number;
    writeBehind?: number;
    clock?: Clock;
    deps?: Partial<TransfersDeps>;
  } = {},
): TransferBench {
  const incoming = join(folder, 'incoming');
  const store = join(folder, 'store');
  mkdirSync(incoming, { recursive: true });
  mkdirSync(store, { recursive: true });
  const path = (digest: Digest): string => join(store, digest.replace(':', '-'));
  const waiting = new Map<Digest, (() => void)[]>();
  const reports: TransferBench['reports'] = [];
  const relayed: string[] = [];
  const transfers = createTransfers(
    {
      clock: options.clock ?? systemClock,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      hasher,
      blocks: { retain() {}, release() {}, lend: () => true, takeBack() {} },
      buffers: createBufferPool({ budget: 64 * 1024 * 1024, keep: 0 }),
      incoming: new IncomingFolder(incoming),
      async commit(digest, _size, file) {
        renameSync(file, path(digest));
        for (const resolve of waiting.get(digest) ?? []) resolve();
        waiting.delete(digest);
      },
      partialDownloads: { add() {}, hold() {}, forget() {} },
      reserve: () => ({ release() {} }),
      writeFailed() {},
      report: (endpoint, fault, reason) => reports.push({ endpoint: endpoint.host, fault, reason }),
      stallTimeoutOf: () => 30_000,
      fetchersFor: () => 1,
      metrics: {
        received() {},
        transferRead() {},
        transferEnded(how) {
          if (how === 'relayed') relayed.push(how);
        },
      },
      ...options.deps,
    },
    { fill: options.fill ?? 'always', writeBehind: options.writeBehind ?? 16 * 1024 * 1024 },
    { ...(options.limits && { limits: options.limits }) },
  );
  return {
    transfers,
    incoming,
    reports,
    relayed,
    stored: (digest) => (existsSync(path(digest)) ? readFileSync(path(digest)) : undefined),
    whenStored: (digest) =>
      existsSync(path(digest))
        ? Promise.resolve()
        : new Promise((resolve) => waiting.set(digest, [...(waiting.get(digest) ?? []), resolve])),
  };
}

/** One hasher for all tests of the `describe` that calls this. */
export function hasherOfTests(): Hasher {
  const hasher = createHasher();
  after(() => hasher.close());
  return hasher;
}

export function digestOf(bytes: Uint8Array): Digest {
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
  if (!digest) throw new Error('no digest');
  return digest;
}

/** Bytes that differ everywhere and are the same for the same seed. */
export function seededBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let index = 0; index < length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** Reads a stream to its end, closes it, and gives a copy of its bytes. Rejects as the stream does. */
export async function readAll(stream: ByteStream): Promise<Buffer> {
  const parts: Buffer[] = [];
  try {
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) parts.push(Buffer.from(chunk));
  } finally {
    stream.close();
  }
  return Buffer.concat(parts);
}

/** Fails where it is not. */
export function opened(result: OpenedTransfer): OpenedTransfer & { ok: true } {
  assert.ok(result.ok, `expected an opened transfer: ${JSON.stringify(result)}`);
  return result;
}
