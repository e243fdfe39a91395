/** Text for people: tables, sizes, counts. Columns are as wide as their widest cell; numbers are aligned to the right. */

export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => string;
  readonly isNumber?: boolean;
}

/** A line for the heads and one for each row, each with a line break. */
export function formatTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const lines = [columns.map(({ head }) => head), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, at) =>
    lines.reduce((most, line) => Math.max(most, line[at]?.length ?? 0), 0),
  );
  const padded = lines.map((line) =>
    line
      .map((cell, at) =>
        columns[at]?.isNumber ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return `${padded.join('\n')}\n`;
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes as `1.5 GiB`: three digits at most, except for 1000 to 1023. */
export function formatBytes(bytes: number): string {
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** `1 blob or manifest`, `2 blobs and manifests`: the word for both in texts. */
export function countedContent(count: number): string {
  return count === 1 ? '1 blob or manifest' : `${count} blobs and manifests`;
}

/** `1 blob`, `2 blobs`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
