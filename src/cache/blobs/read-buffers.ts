/**
 * Buffers for reading files: 256 KiB at first, since a slow client costs two of them however long it takes; 1 MiB
 * for long streams, which is 1.7 times as fast, as long as not too many are out.
 */
import { createBufferPool } from '../../lib/buffer-pool.ts';

export interface ReadBuffers {
  /** A large buffer only where `large` and one is to be had. */
  take(large: boolean): Buffer;
  give(buffer: Buffer): void;
}

export const smallRead = 256 * 1024;
export const largeRead = 1024 * 1024;

export function createReadBuffers(options = { keepSmall: 32, keepLarge: 16, mostLarge: 64 }): ReadBuffers {
  const small = createBufferPool({ size: smallRead, keep: options.keepSmall });
  const large = createBufferPool({ size: largeRead, keep: options.keepLarge });
  let largeOut = 0;
  return {
    take(wantsLarge) {
      if (!wantsLarge || largeOut >= options.mostLarge) return small.take();
      largeOut += 1;
      return large.take();
    },
    give(buffer) {
      if (buffer.length === smallRead) return small.give(buffer);
      largeOut -= 1;
      large.give(buffer);
    },
  };
}
