/**
 * Reuses buffers. The more bytes are in use, the smaller the next buffer is: few readers get large buffers, which are fast; with ten
 * thousand slow readers, each costs little more than its socket.
 *
 *   in use, of the budget   the next buffer has at most
 *   less than a quarter ... 1 MiB
 *   less than half ........ 256 KiB
 *   less than all ......... 64 KiB
 *   all ................... 32 KiB
 */
export interface BufferPool {
  /** Bytes of the buffer that `take` would give now. */
  sizeFor(wanted: number): number;
  /** A buffer of `wanted` bytes, rounded up to a power of two; a smaller one if many are in use. */
  take(wanted: number): Buffer;
  /** Returns a buffer. No code may read or write it afterwards. */
  give(buffer: Buffer): void;
}

export interface BufferPoolOptions {
  /** Bytes in use from which on every new buffer has the smallest size. */
  readonly budget: number;
  /** Bytes of idle buffers that are kept for reuse. */
  readonly keep: number;
}

const KiB = 1024;
export const smallestBuffer = 32 * KiB;
const tiers = [
  { below: 1 / 4, size: 1024 * KiB },
  { below: 1 / 2, size: 256 * KiB },
  { below: 1, size: 64 * KiB },
];

/** An empty pool. */
export function createBufferPool({ budget, keep }: BufferPoolOptions): BufferPool {
  /** Idle buffers by their size. */
  const idle = new Map<number, Buffer[]>();
  /** Bytes in use, and bytes that are idle. */
  let out = 0;
  let kept = 0;

  /** Drops a buffer of the smallest size, which is the cheapest to allocate again. */
  function dropOne(): void {
    const smallest = Math.min(...[...idle].filter(([, some]) => some.length > 0).map(([size]) => size));
    idle.get(smallest)?.shift();
    kept -= smallest;
  }

  function sizeFor(wanted: number): number {
    const atMost = tiers.find(({ below }) => out < below * budget)?.size ?? smallestBuffer;
    return Math.min(atMost, Math.max(smallestBuffer, 2 ** Math.ceil(Math.log2(wanted))));
  }

  return {
    sizeFor,
    take(wanted) {
      const size = sizeFor(wanted);
      out += size;
      const buffer = idle.get(size)?.pop();
      if (!buffer) return Buffer.allocUnsafeSlow(size);
      kept -= size;
      return buffer;
    },
    give(buffer) {
      const size = buffer.length;
      out -= size;
      kept += size;
      const some = idle.get(size) ?? [];
      some.push(buffer);
      idle.set(size, some);
      while (kept > keep) dropOne();
    },
  };
}

/** `held`, or a larger buffer in its place if `wanted` is more than it has and the pool gives larger ones now. */
export function renew(pool: BufferPool, held: Buffer | undefined, wanted: number): Buffer {
  if (held && held.length >= pool.sizeFor(wanted)) return held;
  if (held) pool.give(held);
  return pool.take(wanted);
}
