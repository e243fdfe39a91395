/**
 * Memory for bodies of uploads to one store, bounded: an upload waits until some is free. It is used again, because fresh memory costs as
 * much as the upload of what is in it; idle memory goes after half a minute.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { createPermits } from '../lib/flow/permits.ts';
import { usualPart } from './upload-parts.ts';

export interface PartMemory {
  /** Runs `work` with memory of so many bytes, which must not be used once it is over. Rejects with the reason of the signal. */
  use<T>(size: number, work: (memory: Buffer<ArrayBuffer>) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Milliseconds. */
const keptFor = 30_000;

/** `count`: bodies at once. Only the parts of huge objects are larger than 8 MiB each. */
export function createPartMemory(count: number, { clock }: { readonly clock: Clock }): PartMemory {
  const permits = createPermits(count);
  const idle: Buffer<ArrayBuffer>[] = [];
  let timer: Timer | undefined;

  return {
    use: (size, work, signal) =>
      permits.use(async () => {
        if (size > usualPart) return work(Buffer.allocUnsafeSlow(size));
        timer?.cancel();
        const memory = idle.pop() ?? Buffer.allocUnsafeSlow(usualPart);
        try {
          return await work(memory.subarray(0, size));
        } finally {
          idle.push(memory);
          timer?.cancel();
          timer = clock.after(keptFor, () => idle.splice(0));
        }
      }, signal),
  };
}
