/**
 * Conditional requests (RFC 9110, section 13). The entity tag of content is its digest in quotes: strong, and the
 * same wherever the content came from. There are no dates: If-Modified-Since is ignored.
 */
import type { Digest } from '../../oci/digest.ts';

export function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether If-None-Match names this content, so that 304 is the answer. Compares weakly, as the RFC has it for this header. */
export function isNotModified(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false;
  // A digest holds no comma, so a tag that does can be cut anywhere: it never becomes equal to ours.
  for (const item of ifNoneMatch.split(',')) {
    const tag = item.trim();
    if (tag === '*') return true;
    if ((tag.startsWith('W/') ? tag.slice(2) : tag) === entityTag(digest)) return true;
  }
  return false;
}

/** Whether a Range may be honoured: there is no If-Range, or it is exactly our strong tag. A date never matches. */
export function rangeApplies(ifRange: string | undefined, digest: Digest): boolean {
  return ifRange === undefined || ifRange.trim() === entityTag(digest);
}
