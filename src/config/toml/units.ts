/**
 * Durations and sizes in entrepot.toml: one number with one unit, without blanks. A fraction is allowed (`1.5GiB`); the
 * result is rounded to whole milliseconds or bytes. A size may omit its unit and is then in bytes. A duration may not, because
 * the number could be seconds or milliseconds.
 */
const unitMilliseconds = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

const unitBytes = new Map([
  ['', 1],
  ['B', 1],
  ['kB', 1e3],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['TB', 1e12],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

/** The accepted forms, for messages that say "must be ...". */
export const durationForms = 'a duration like "500ms", "30s", "2m", "24h" or "7d"';
export const sizeForms = 'a size like "512MiB", "50GiB", "5GB" or "1024" (bytes), below "8192TiB"';

/** Milliseconds; undefined if `text` is not a duration. */
export function parseDuration(text: string): number | undefined {
  return measure(text, unitMilliseconds);
}

/** Bytes; undefined if `text` is not a size. */
export function parseSize(text: string): number | undefined {
  return measure(text, unitBytes);
}

/** Milliseconds as text of the file, in the largest unit without a fraction; a minute is `60s`, as in the documentation. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s';
  return milliseconds === 60_000 ? '60s' : inLargestUnit(milliseconds, unitMilliseconds, 'ms');
}

/** Bytes as text of the file, in the largest unit without a fraction. */
export function formatSize(bytes: number): string {
  return inLargestUnit(bytes, unitBytes, 'B');
}

/** The same for messages, rounded up to whole KiB, or MiB from 16 MiB on. */
export function formatRoundedSize(bytes: number): string {
  const unit = bytes < 16 * 1024 ** 2 ? 1024 : 1024 ** 2;
  return formatSize(Math.ceil(bytes / unit) * unit);
}

function inLargestUnit(value: number, units: ReadonlyMap<string, number>, smallest: string): string {
  const [unit, factor] = [...units]
    .filter(([name, each]) => name !== '' && value !== 0 && value % each === 0)
    .reduce((largest, other) => (other[1] > largest[1] ? other : largest), [smallest, 1] as const);
  return `${value / factor}${unit}`;
}

function measure(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const match = /^(\d{1,16}(?:\.\d{1,9})?)([A-Za-z]*)$/.exec(text);
  const factor = units.get(match?.[2] ?? '');
  if (!match || factor === undefined) return undefined;
  const value = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}
