/**
 * Conditional requests (RFC 9110, section 13), and the headers that go with them. The entity tag of content is its digest in
 * quotes. It is strong, and does not depend on the endpoint that the content came from. There are no dates:
 * If-Modified-Since is ignored.
 */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Digest } from '../../oci/digest.ts';

/** The ETag of content. */
export function entityTag(digest: Digest): string {
  return `"${digest}"`;
}

/** Whether If-None-Match names this content, so that the answer is 304. The RFC demands a weak comparison here. */
export function isNotModified(ifNoneMatch: string | undefined, digest: Digest): boolean {
  if (ifNoneMatch === undefined) return false;
  // A digest has no comma. A tag that has one can therefore be split: no part of it is equal to ours.
  for (const item of ifNoneMatch.split(',')) {
    const tag = item.trim();
    if (tag === '*') return true;
    if ((tag.startsWith('W/') ? tag.slice(2) : tag) === entityTag(digest)) return true;
  }
  return false;
}

/** Whether a Range counts: there is no If-Range, or it is exactly our strong tag. A date never matches. */
export function rangeApplies(ifRange: string | undefined, digest: Digest): boolean {
  return ifRange === undefined || ifRange.trim() === entityTag(digest);
}

/**
 * Headers that GET and HEAD of the same content share, cached or not. Content that was asked for by digest never changes.
 * Content that was asked for by tag may be stored, but must be asked for again each time: this server decides when the tag is
 * stale (`freshness.tag`), and If-None-Match makes the request cheap.
 */
export function contentHeaders(digest: Digest, isImmutable: boolean): OutgoingHttpHeaders {
  return {
    'Docker-Content-Digest': digest,
    ETag: entityTag(digest),
    'Cache-Control': isImmutable ? 'max-age=31536000, immutable' : 'no-cache',
  };
}
