/** `/v2/<name>/tags/list` and `/v2/<name>/referrers/<digest>`: lists that can change at any time. */
import { mediaTypes } from '../../oci/media-types.ts';
import type { Pull } from '../../pull/pull.ts';
import type { ReferrersTarget, TagsTarget } from '../../routing/target.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { verdictAnswer } from './registry-error.ts';

/** How the client addressed the repository: the link to the next page must use the same form. */
export interface Addressed {
  /** As sent, checked by the router. */
  readonly rawPath: string;
  /** `<name>` in the path. */
  readonly name: string;
  readonly namespace: string | undefined;
}

/** One page; `Link` names the next one. */
export async function answerTags(pull: Pull, target: TagsTarget, addressed: Addressed): Promise<Answer> {
  const pulled = await pull.tags(target);
  if (!pulled.found) return verdictAnswer(target, pulled.verdict, pulled.trail, pulled.cache);
  const { value, cache, endpoint, checkedAt, trail } = pulled;
  const last = value.tags.at(-1);
  const next = value.more && last !== undefined ? linkTo(addressed, { n: target.limit, last }) : undefined;
  return jsonAnswer(
    200,
    { name: addressed.name, tags: value.tags },
    {
      headers: { 'Cache-Control': 'no-cache', ...(next !== undefined && { Link: next }) },
      cache,
      endpoint,
      checkedAt,
      trail,
    },
  );
}

/** An OCI index of referrers; `Link` names the next page. */
export async function answerReferrers(
  pull: Pull,
  target: ReferrersTarget,
  addressed: Addressed,
): Promise<Answer> {
  const pulled = await pull.referrers(target);
  if (!pulled.found) return verdictAnswer(target, pulled.verdict, pulled.trail, pulled.cache);
  const { value, cache, endpoint, checkedAt, trail } = pulled;
  const headers = {
    'Content-Type': mediaTypes.ociIndex,
    'Content-Length': value.bytes.length,
    'Cache-Control': 'no-cache',
    ...(value.filtered && { 'OCI-Filters-Applied': 'artifactType' }),
    ...(value.next && { Link: linkTo(addressed, { artifactType: target.artifactType, last: value.next }) }),
  };
  return { status: 200, headers, body: value.bytes, cache, endpoint, checkedAt, trail };
}

/**
 * A Link header (RFC 8288), as the distribution specification demands for tags and for referrers. It is relative, so it works behind a
 * proxy.
 */
function linkTo(
  { rawPath, namespace }: Addressed,
  query: Readonly<Record<string, string | number | undefined>>,
): string {
  const pairs = Object.entries({ ...query, ns: namespace }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return `<${rawPath}?${pairs.join('&')}>; rel="next"`;
}
