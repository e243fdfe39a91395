/** One job as PostgreSQL has it: as SQLite does, but for names and characters. JSON is text, since the type json refuses some of it. */

/** Of the table `jobs`, for `JobRow`. */
export const jobColumns = `id, kind, key, arguments, state, priority, not_before as "notBefore", cause, created, attempts, failures,
  reason, progress, started, ended`;

/** Text in which PostgreSQL takes every character. */
export function storable(text: string): string {
  return text.replaceAll('\0', '\u{fffd}');
}
