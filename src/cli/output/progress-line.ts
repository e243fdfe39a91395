/** One line about long work, every two seconds: over the same line on a terminal, else one below the other. */

import { printable } from './printable.ts';

export interface ProgressLine {
  show(text: string): void;
  /** Removes it from a terminal. */
  clear(): void;
}

export interface ProgressLineOptions {
  readonly isShown: boolean;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** ms. */
const interval = 2000;

/** Writes nothing unless `isShown`. */
export function createProgressLine(
  to: { write(text: string): void; readonly isTTY?: boolean; readonly columns?: number },
  { isShown, now = () => performance.now() }: ProgressLineOptions,
): ProgressLine {
  let shownAt = Number.NEGATIVE_INFINITY;
  let isDrawn = false;
  return {
    show(given) {
      if (!isShown || now() - shownAt < interval) return;
      const text = printable(given);
      shownAt = now();
      isDrawn = true;
      to.write(to.isTTY ? `\r\x1b[K${text.slice(0, (to.columns ?? 80) - 1)}` : `${text}\n`);
    },
    clear() {
      if (isDrawn && to.isTTY) to.write('\r\x1b[K');
      isDrawn = false;
    },
  };
}
