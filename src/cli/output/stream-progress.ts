/** Says how much of some files is read, at which rate, and how long the rest takes. */
import { createProgressLine, type ProgressLineOptions } from './progress-line.ts';
import { formatBytes } from './table.ts';

export interface StreamProgress {
  /** The bytes as they are, counted. `name`: of what is read now. */
  through(bytes: AsyncIterable<Uint8Array>, name: string): AsyncIterable<Uint8Array>;
  /** Removes the line from a terminal. */
  clear(): void;
}

export interface StreamProgressOptions extends ProgressLineOptions {
  /** Bytes of all. */
  readonly size: number;
}

/** Begins to count time now. */
export function createStreamProgress(
  to: Parameters<typeof createProgressLine>[0],
  options: StreamProgressOptions,
): StreamProgress {
  const { size, now = () => performance.now() } = options;
  const line = createProgressLine(to, options);
  const begun = now();
  let done = 0;

  function text(name: string): string {
    const rate = done / Math.max(0.001, (now() - begun) / 1000);
    // A pipe does not say how much it has.
    if (size < done) return `${name}: ${formatBytes(done)}, ${formatBytes(rate)}/s`;
    const left = Math.ceil((size - done) / Math.max(1, rate));
    return `${name}: ${formatBytes(done)} of ${formatBytes(size)}, ${formatBytes(rate)}/s, ${left} s left`;
  }

  return {
    async *through(bytes, name) {
      for await (const part of bytes) {
        done += part.length;
        line.show(text(name));
        yield part;
      }
    },
    clear: line.clear,
  };
}
