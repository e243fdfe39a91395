/** Byte ranges, as values and in the headers of HTTP (RFC 9110, section 14). Offsets are bytes; `end` is exclusive everywhere. */

/** Bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A range that may have an open end: undefined stands for the end of the content, even if its size is not known yet. */
export interface OpenRange {
  readonly start: number;
  readonly end?: number | undefined;
}

/** `bytes=5-9`: the value of a Range header; undefined for the whole content. */
export function rangeHeader({ start, end }: OpenRange): string | undefined {
  if (start === 0 && end === undefined) return undefined;
  return `bytes=${start}-${end === undefined ? '' : end - 1}`;
}

/** `bytes 5-9/20`: the value of a Content-Range header for a content of `size` bytes. */
export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end - 1}/${size}`;
}

/** `bytes 5-9/20` -> 5, 10, 20; `size` undefined for `bytes 5-9/*`. Undefined for a header that is absent or makes no sense. */
export function parseContentRange(
  text: string | undefined,
): (ByteRange & { readonly size: number | undefined }) | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(text?.trim() ?? '');
  if (!match) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2]) + 1;
  const size = match[3] === '*' ? undefined : Number(match[3]);
  return end <= start || (size !== undefined && end > size) ? undefined : { start, end, size };
}
