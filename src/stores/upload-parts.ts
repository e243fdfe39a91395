/**
 * How an object is cut into parts. Stores take 10,000 parts at most, each of 5 MiB at least (but for the last one); 8 MiB keeps the
 * requests few and the memory small. Objects of more than 70 GiB get larger parts.
 */
import type { Hash } from 'node:crypto';
import type { ByteRange } from '../lib/bytes/byte-range.ts';
import type { Clock } from '../lib/clock.ts';
import { backoff } from '../lib/flow/backoff.ts';
import { pause } from '../lib/flow/pause.ts';
import { type ObjectSource, StoreError } from './object-store.ts';

const MiB = 1024 * 1024;
/** An object of so many bytes, or fewer, is one request. */
export const usualPart = 8 * MiB;
const mostParts = 9000;

/** The parts of an object of `size` bytes, in their order. */
export function partsOf(size: number): readonly ByteRange[] {
  const partSize = Math.max(usualPart, Math.ceil(size / mostParts / MiB) * MiB);
  return Array.from({ length: Math.ceil(size / partSize) }, (_, n) => ({
    start: n * partSize,
    end: Math.min((n + 1) * partSize, size),
  }));
}

/**
 * Fills `memory` with the bytes of the source from `start` on, and updates `hash` as they come, which takes less than a millisecond at a
 * time. Rejects with the error of the source, or if the source has fewer bytes than it says.
 */
export async function readPart(
  source: ObjectSource,
  { start, end }: ByteRange,
  memory: Buffer<ArrayBuffer>,
  { signal, hash }: { readonly signal?: AbortSignal | undefined; readonly hash?: Hash | undefined },
): Promise<void> {
  const stream = source.stream(start, end);
  let filled = 0;
  try {
    for (let chunk = await stream.next(); chunk; chunk = await stream.next()) {
      signal?.throwIfAborted();
      if (filled + chunk.length > memory.length)
        throw new Error('the content is longer than it was said to be');
      memory.set(chunk, filled);
      hash?.update(chunk);
      filled += chunk.length;
    }
  } finally {
    stream.close();
  }
  if (filled < memory.length) throw new Error('the content is shorter than it was said to be');
}

/** Milliseconds that a store may take to make an object of its parts: some copy them. */
export const joinPatience = 300_000;
/** Parts of one object under way at once. */
export const partsAtOnce = 4;
/** Tries of one part. */
const tries = 4;
/** ms before the second try and each further one; `Retry-After` may say more, but not more than `most`. */
const waits = { first: 500, most: 10_000 };

/**
 * Sends a part again while the store does not answer, or asks to slow down: the other parts are too many to lose for one. `send` takes
 * its memory anew for each try, so that a pause holds none.
 */
export async function sendPart<T>(
  send: () => Promise<T>,
  { clock, signal }: { readonly clock: Clock; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  for (let turn = 1; ; turn += 1) {
    try {
      return await send();
    } catch (error) {
      const isPassing =
        error instanceof StoreError && (error.kind === 'unreachable' || error.kind === 'throttled');
      if (!isPassing || turn === tries) throw error;
      const wait = Math.max(backoff(turn, waits), error.retryAfter ?? 0);
      if (wait > waits.most) throw error;
      await pause(clock, wait, signal ?? new AbortController().signal);
      signal?.throwIfAborted();
    }
  }
}
