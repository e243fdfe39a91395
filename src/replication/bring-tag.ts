/**
 * Brings one tag here as a whole:
 *
 *   its manifest by digest, all below it, and what is attached to it ... each verified on the way in
 *   HEAD again: another digest ......................................... from the start with that one, a few times
 *   whole ............................................................. the tag points at it: done
 *   a part could not be had ........................................... partial: a tag that is here keeps its old image, a new
 *                                                                       one points at what came
 *   nothing could be had .............................................. failed
 *
 * A tag moves only when its new image is whole, so a registry that dies in the middle takes nothing away.
 */
import type { Digest } from '../oci/digest.ts';
import type { Tag } from '../oci/reference.ts';
import { verdictText } from '../pull/verdict-text.ts';
import type { WarmProgress } from '../pull/warm-image.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import { bringReferrers } from './bring-referrers.ts';
import type { PlannedTag, RepositoryWork, TagAction } from './plan-repository.ts';
import type { SyncDeps } from './sync-deps.ts';

/** Goes out as JSON. */
export interface TagResult {
  readonly tag: Tag;
  readonly action: TagAction;
  readonly state: 'done' | 'partial' | 'failed' | 'left';
  readonly digest: Digest | null;
  /** Bytes that were fetched. */
  readonly bytes: number;
  /** Why it is not done, or why nothing was done, in one sentence. */
  readonly reason: string | null;
}

/** What came of one digest. */
interface Brought {
  readonly hasManifest: boolean;
  readonly bytes: number;
  readonly failures: readonly string[];
}

/** A tag that moves more often while it is brought is left for the next run. */
const maxMoves = 3;

/** Resolves where a registry fails, too: the result says so. `plan`: to add or to move. */
export async function bringTag(
  deps: SyncDeps,
  work: RepositoryWork,
  { plan, onProgress }: { readonly plan: PlannedTag; readonly onProgress: (progress: WarmProgress) => void },
): Promise<TagResult> {
  const { image, signal } = work;
  const { registry, repository, name } = image;
  const { tag, action, was } = plan;
  let { digest, endpoint } = plan;
  let bytes = 0;
  const result = (state: TagResult['state'], reason: string | null): TagResult => ({
    tag,
    action,
    state,
    digest,
    bytes,
    reason,
  });

  for (let moves = 0; digest !== null && endpoint !== null && moves <= maxMoves; moves += 1) {
    const low = lowAllowance(deps, work, tag);
    if (low !== undefined) return result('failed', low);
    const brought = await bringDigest(deps, work, digest, onProgress);
    bytes += brought.bytes;
    const [failure, ...more] = brought.failures;
    if (failure !== undefined) {
      const reason = more.length === 0 ? failure : `${failure} (and ${more.length} more)`;
      if (!brought.hasManifest) return result('failed', reason);
      if (was === null) await deps.cache.setTag(name, tag, { digest, endpoint });
      return result('partial', reason);
    }
    const again = await deps.upstream().headManifest({ registry, repository, tag }, { signal });
    if (!again.ok) {
      await deps.cache.setTag(name, tag, { digest, endpoint });
      const why = verdictText(again.verdict, again.trail);
      return result('partial', `it is here, but could not be read again at the end: ${why}`);
    }
    endpoint = endpointKey(again.endpoint);
    if (again.value.digest === digest) {
      await deps.cache.setTag(name, tag, { digest, endpoint });
      return result('done', null);
    }
    digest = again.value.digest;
  }
  return result('failed', 'it moved each time that it was brought here');
}

async function bringDigest(
  deps: SyncDeps,
  work: RepositoryWork,
  root: Digest,
  onProgress: (progress: WarmProgress) => void,
): Promise<Brought> {
  const { block, image, signal } = work;
  const { registry, repository } = image;
  const failures: string[] = [];
  const report = await deps.warm(
    { registry, repository, digest: root },
    { platforms: block.platforms, onProgress, signal },
  );
  failures.push(...report.failures);
  const { fetched } = report;
  if (report.digest === null || block.referrers === 'none') {
    return { hasManifest: report.digest !== null, bytes: fetched, failures };
  }
  const attached = await bringReferrers(deps, work, root, onProgress);
  failures.push(...attached.failures);
  return { hasManifest: true, bytes: fetched + attached.bytes, failures };
}

/** A sentence where a host of the image has fewer pulls left than the block wants to leave. */
function lowAllowance(deps: SyncDeps, { block, image }: RepositoryWork, tag: Tag): string | undefined {
  const { floor } = block;
  if (floor === undefined) return undefined;
  const upstream = deps.upstream();
  const { registry, repository } = image;
  const hosts = new Set(upstream.endpoints({ registry, repository, tag }).map(({ host }) => host));
  for (const { host, allowance } of upstream.health()) {
    const left = allowance?.remaining;
    if (hosts.has(host) && left !== undefined && left < floor) {
      return `${host} allows ${left} more pulls, and the block leaves ${floor}`;
    }
  }
  return undefined;
}
