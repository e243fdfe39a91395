/**
 * A tag is done only with the tags of its signatures. Those have results of their own, and come last, since the manifests that they
 * belong to must be known: so what could not be had of them is told of their owner afterwards.
 */
import { attachedTags, isAttached } from '../oci/attached-tags.ts';
import type { TagResult } from './bring-tag.ts';
import { closureOf } from './closure.ts';
import type { RepositoryWork } from './planned-tag.ts';
import type { SyncDeps } from './sync-deps.ts';

/** `results` in their order; a tag that was done is partial where one of `all` is attached to it, and is not done. */
export async function withAttached(
  deps: SyncDeps,
  { block, image, signal }: RepositoryWork,
  results: readonly TagResult[],
  all: readonly TagResult[],
): Promise<readonly TagResult[]> {
  const isMissed = ({ tag, state }: TagResult) =>
    isAttached(tag) && (state === 'partial' || state === 'failed');
  const missed = new Map<string, TagResult>(all.filter(isMissed).map((one) => [one.tag, one]));
  if (missed.size === 0) return results;
  const told: TagResult[] = [];
  for (const result of results) {
    const { tag, state, digest } = result;
    if (state !== 'done' || digest === null || isAttached(tag)) {
      told.push(result);
      continue;
    }
    const { manifests } = await closureOf(deps.admin, image.name, {
      root: digest,
      platforms: block.platforms,
    });
    const [first] = attachedTags([...missed.keys()], manifests);
    if (first === undefined) {
      told.push(result);
      continue;
    }
    const reason = `${first}, which is attached to it: ${missed.get(first)?.reason}`;
    const work = { digest, reason, bytes: 0, seconds: 0, hasReferrers: false };
    const end = { ...work, state: signal.aborted ? 'pending' : 'partial' } as const;
    await deps.replicas.ended({ image: image.name, tag, sync: block.name }, end);
    told.push({ ...result, state: 'partial', reason });
  }
  return told;
}
