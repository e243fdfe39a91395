/** A line with a bar for each thing that is under way, drawn over and over on a terminal. */
import { formatBytes } from './table.ts';

export interface ProgressBars {
  show(bar: Bar): void;
  /** Takes the bars away; those that come later begin anew. */
  clear(): void;
}

export interface Bar {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly done: number;
}

interface ActiveBar extends Bar {
  /** ms, and what was done by then. */
  readonly since: number;
  readonly before: number;
}

const barWidth = 30;
/** ms between two drawings. */
const interval = 100;

export function createProgressBars(
  to: { write(text: string): void },
  { isShown }: { readonly isShown: boolean },
): ProgressBars {
  const active = new Map<string, ActiveBar>();
  let drawnLines = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  function draw(now: number): void {
    const lines = [...active.values()].map((bar) => line(bar, now));
    to.write(`${erase()}${lines.join('')}`);
    drawnLines = lines.length;
    drawnAt = now;
  }

  /** Up to the first line, then away with all below. */
  function erase(): string {
    return drawnLines === 0 ? '' : `\x1b[${drawnLines}A\x1b[J`;
  }

  return {
    show(bar) {
      if (!isShown) return;
      const { name, done, size } = bar;
      const now = performance.now();
      const { since, before } = active.get(name) ?? { since: now, before: done };
      if (done < size) active.set(name, { ...bar, since, before });
      else active.delete(name);
      if (now - drawnAt >= interval) draw(now);
    },
    clear() {
      if (drawnLines > 0) to.write(erase());
      drawnLines = 0;
      active.clear();
    },
  };
}

function line({ name, size, done, since, before }: ActiveBar, now: number): string {
  const full = Math.round((done / Math.max(1, size)) * barWidth);
  const bar = `${'#'.repeat(full)}${'.'.repeat(barWidth - full)}`;
  const rate = now > since ? `, ${formatBytes(((done - before) / (now - since)) * 1000)}/s` : '';
  return `${name} [${bar}] ${formatBytes(done)} of ${formatBytes(size)}${rate}\n`;
}
