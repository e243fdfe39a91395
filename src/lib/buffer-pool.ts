/**
 * Buffers of one size that are used again. At most `keep` idle ones are held; more are made when needed and
 * dropped when they come back, so a burst costs memory only while it lasts.
 */
export interface BufferPool {
  readonly size: number;
  take(): Buffer;
  give(buffer: Buffer): void;
}

export function createBufferPool(options: { size: number; keep: number }): BufferPool {
  const idle: Buffer[] = [];
  return {
    size: options.size,
    take: () => idle.pop() ?? Buffer.allocUnsafeSlow(options.size),
    give(buffer) {
      if (idle.length < options.keep) idle.push(buffer);
    },
  };
}
