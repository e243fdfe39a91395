/** Times as the commands print them. */

/** `2026-01-31 09:05:07Z`; `-` for none. */
export function shortTime(isoTime: string | null): string {
  return isoTime === null ? '-' : `${isoTime.slice(0, 10)} ${isoTime.slice(11, 19)}Z`;
}
