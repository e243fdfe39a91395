/** `/v2/<name>/manifests/<reference>`: the bytes exactly as the registry sent them, with its media type. */
import type { Pull } from '../../pull/pull.ts';
import type { ManifestTarget } from '../../routing/target.ts';
import type { Answer } from './answer.ts';
import { contentHeaders, isNotModified } from './conditional.ts';
import { verdictAnswer } from './registry-error.ts';

/** For GET and HEAD. */
export async function answerManifest(
  pull: Pull,
  target: ManifestTarget,
  conditions: { readonly ifNoneMatch: string | undefined },
): Promise<Answer> {
  const pulled = await pull.manifest(target);
  if (!pulled.found) return verdictAnswer(target, pulled.verdict, pulled.trail, pulled.cache);
  const { digest, mediaType, bytes } = pulled.value;
  const { cache, endpoint, checkedAt, trail } = pulled;
  const headers = contentHeaders(digest, target.reference.digest !== undefined);
  if (isNotModified(conditions.ifNoneMatch, digest))
    return { status: 304, headers, cache, endpoint, checkedAt, trail };
  headers['Content-Type'] = mediaType;
  headers['Content-Length'] = bytes.length;
  return { status: 200, headers, body: bytes, cache, endpoint, checkedAt, trail };
}
