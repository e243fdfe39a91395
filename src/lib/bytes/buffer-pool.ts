/**
 * Buffers that are used again. The more of them are out, the smaller the next one is: few readers get large ones, with
 * which they are quick, and the ten thousandth slow one costs little more than its socket does.
 *
 *   out of the budget       the next one has at most
 *   less than a quarter ... 1 MiB
 *   less than half ........ 256 KiB
 *   less than all ......... 64 KiB
 *   all ................... 32 KiB
 */
export interface BufferPool {
  /** What `take` would give now. */
  sizeFor(wanted: number): number;
  /** Of `wanted` bytes, rounded up to a power of two; of less where many are out. */
  take(wanted: number): Buffer;
  /** Nobody may write into it any more, nor read it. */
  give(buffer: Buffer): void;
}

export interface BufferPoolOptions {
  /** Bytes that may be out before all who come get the smallest. */
  readonly budget: number;
  /** Bytes that are kept for the next ones when nobody uses them. */
  readonly keep: number;
}

const KiB = 1024;
export const smallestBuffer = 32 * KiB;
const tiers = [
  { below: 1 / 4, size: 1024 * KiB },
  { below: 1 / 2, size: 256 * KiB },
  { below: 1, size: 64 * KiB },
];

export function createBufferPool({ budget, keep }: BufferPoolOptions): BufferPool {
  /** By their size. */
  const idle = new Map<number, Buffer[]>();
  let out = 0;
  let kept = 0;

  /** The cheapest to make again goes first. */
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

/** `held`, or a larger one in its place where `wanted` bytes are more and one is now to be had. */
export function renew(pool: BufferPool, held: Buffer | undefined, wanted: number): Buffer {
  if (held && held.length >= pool.sizeFor(wanted)) return held;
  if (held) pool.give(held);
  return pool.take(wanted);
}
