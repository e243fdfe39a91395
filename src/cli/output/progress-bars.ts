/**
 * A line with a bar for each download that runs, drawn over and over on a terminal. A line that is wider than the terminal
 * would wrap, and the way back up would miss the rows it takes: a bar gets the columns that its text leaves, and no line is
 * longer than the terminal is wide. For the same reason only as many lines are drawn as the terminal has rows.
 */
import { printable } from './printable.ts';
import { formatBytes } from './table.ts';

export interface ProgressBars {
  show(bar: Bar): void;
  /** Removes the bars from the terminal. Bars that are shown later start anew. */
  clear(): void;
}

export interface Bar {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly done: number;
}

/** What a `tty.WriteStream` gives. */
export interface Terminal {
  write(text: string): void;
  /** Undefined if output does not go to a terminal. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

interface ActiveBar extends Bar {
  /** ms, and the bytes that were done by then. */
  readonly since: number;
  readonly before: number;
}

const widestBar = 30;
/** A bar of fewer columns says nothing. */
const narrowestBar = 5;
/** ms between two drawings. */
const interval = 100;

export interface ProgressBarsOptions {
  readonly isShown: boolean;
  /** Monotonic ms. */
  readonly now?: () => number;
}

/** Draws nothing unless `isShown`. The size of the terminal is read at each drawing, because windows are resized. */
export function createProgressBars(to: Terminal, options: ProgressBarsOptions): ProgressBars {
  const { isShown, now: currentTime = () => performance.now() } = options;
  const active = new Map<string, ActiveBar>();
  let drawnLines = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;

  function draw(now: number): void {
    const { columns = 80, rows = 24 } = to;
    const lines = [...active.values()].slice(0, rows - 1).map((bar) => line(bar, now, columns));
    to.write(`${erase()}${lines.join('')}`);
    drawnLines = lines.length;
    drawnAt = now;
  }

  /** Moves to the first line, and clears it and all below. */
  function erase(): string {
    return drawnLines === 0 ? '' : `\x1b[${drawnLines}A\x1b[J`;
  }

  return {
    show(bar) {
      if (!isShown) return;
      const { name, done, size } = bar;
      const now = currentTime();
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

function line({ name, size, done, since, before }: ActiveBar, now: number, columns: number): string {
  const rate = now > since ? `, ${formatBytes(((done - before) / (now - since)) * 1000)}/s` : '';
  const sums = `${formatBytes(done)} of ${formatBytes(size)}${rate}`;
  const width = Math.min(widestBar, columns - `${name} [] ${sums}`.length);
  const full = Math.round((done / Math.max(1, size)) * width);
  const bar = width < narrowestBar ? '' : ` [${'#'.repeat(full)}${'.'.repeat(width - full)}]`;
  return `${printable(`${name}${bar} ${sums}`).slice(0, columns)}\n`;
}
