/** A line with a bar for each blob that is on its way, drawn over and over on a terminal. */
import type { WarmProgress } from '../pull/warm-image.ts';
import { formatBytes } from './table.ts';

export interface ProgressBars {
  show(progress: WarmProgress): void;
  /** Takes the bars away; those that come later begin anew. */
  clear(): void;
}

const barWidth = 30;
/** ms between two drawings. */
const interval = 100;

export function createProgressBars(
  to: { write(text: string): void },
  { isShown }: { readonly isShown: boolean },
): ProgressBars {
  const active = new Map<string, WarmProgress>();
  let drawnLines = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  function draw(): void {
    const lines = [...active.values()].map(line);
    to.write(`${erase()}${lines.join('')}`);
    drawnLines = lines.length;
    drawnAt = performance.now();
  }

  /** Up to the first line, then away with all below. */
  function erase(): string {
    return drawnLines === 0 ? '' : `\x1b[${drawnLines}A\x1b[J`;
  }

  return {
    show(progress) {
      if (!isShown) return;
      const { digest, done, size } = progress;
      if (done < size) active.set(digest, progress);
      else active.delete(digest);
      if (performance.now() - drawnAt >= interval) draw();
    },
    clear() {
      if (drawnLines > 0) to.write(erase());
      drawnLines = 0;
      active.clear();
    },
  };
}

function line({ digest, size, done }: WarmProgress): string {
  const full = Math.round((done / Math.max(1, size)) * barWidth);
  const bar = `${'#'.repeat(full)}${'.'.repeat(barWidth - full)}`;
  return `${digest.slice(0, 19)} [${bar}] ${formatBytes(done)} of ${formatBytes(size)}\n`;
}
