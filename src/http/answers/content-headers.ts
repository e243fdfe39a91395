/** Headers that GET and HEAD of the same content share, cached or not. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Digest } from '../../oci/digest.ts';
import { entityTag } from './conditional.ts';

/**
 * What is named by a digest never changes. What is named by a tag may be kept, but is asked for again each time: the tag
 * decides here when it is stale (`freshness.tag`), and If-None-Match makes asking cheap.
 */
export function contentHeaders(digest: Digest, isImmutable: boolean): OutgoingHttpHeaders {
  return {
    'Docker-Content-Digest': digest,
    ETag: entityTag(digest),
    'Cache-Control': isImmutable ? 'max-age=31536000, immutable' : 'no-cache',
  };
}
