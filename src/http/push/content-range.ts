/** `Content-Range` of a chunk (distribution-spec, "Pushing a blob in chunks"): `FIRST-LAST`, both inclusive, without a unit. */

/** First byte, and number of bytes; undefined for anything else. Some clients write a unit and a size around it. */
export function parseContentRange(
  text: string,
): { readonly start: number; readonly length: number } | undefined {
  const match = /^(?:bytes[ =])?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(text.trim());
  if (!match) return undefined;
  const start = Number(match[1]);
  const length = Number(match[2]) - start + 1;
  return length > 0 ? { start, length } : undefined;
}

/** `Range` of an answer about an upload of `size` bytes. An empty one is `0-0`: docker accepts no other. */
export function uploadRange(size: number): string {
  return `0-${Math.max(0, size - 1)}`;
}
