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
 * A tag moves only when its new image is whole, so a registry that dies in the middle takes nothing away. Where the registry does not say
 * at the end what the tag means, one that an event or a client has moved since the plan stays as it is: that is newer.
 */
import type { Digest } from '../oci/digest.ts';
import type { Tag } from '../oci/reference.ts';
import { verdictText } from '../pull/verdict-text.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import { bringReferrers } from './bring-referrers.ts';
import {
  type BringOptions,
  isTag,
  type PlannedTag,
  type RepositoryWork,
  type TagAction,
} from './planned-tag.ts';
import { inShort } from './reasons.ts';
import { sitOut } from './registry-pause.ts';
import type { SyncDeps } from './sync-deps.ts';

/** Goes out as JSON. */
export interface TagResult {
  /** A digest where the block selects by digest. */
  readonly tag: Tag | Digest;
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
/** Pauses of the registry that one try sits out. */
const maxPauses = 5;

/** Resolves where a registry fails, too: the result says so. `plan`: to add or to move. */
export async function bringTag(
  deps: SyncDeps,
  work: RepositoryWork,
  { plan, ...options }: { readonly plan: PlannedTag } & BringOptions,
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

  if (!isTag(tag)) return await bringByDigest(deps, work, { plan, ...options });
  const setAsPlanned = async (value: { digest: Digest; endpoint: string }) => {
    const here = await deps.cache.tag(name, tag);
    if ((here?.digest ?? null) === was) await deps.cache.setTag(name, tag, value);
  };
  for (let moves = 0; digest !== null && endpoint !== null && moves <= maxMoves; moves += 1) {
    const low = lowAllowance(deps, work);
    if (low !== undefined) return result('failed', low);
    const brought = await bringOverPauses(deps, work, digest, options);
    bytes += brought.bytes;
    if (brought.failures.length > 0) {
      const reason = inShort(brought.failures);
      if (!brought.hasManifest) return result('failed', reason);
      if (was === null) await setAsPlanned({ digest, endpoint });
      return result('partial', reason);
    }
    await sitOut(deps, image, signal);
    const again = await deps
      .upstream()
      .headManifest({ registry, repository, tag }, { signal, revalidates: true });
    if (!again.ok) {
      await setAsPlanned({ digest, endpoint });
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

/** A digest that the block selects by itself: it never moves, and no tag is set. */
async function bringByDigest(
  deps: SyncDeps,
  work: RepositoryWork,
  { plan, ...options }: { readonly plan: PlannedTag } & BringOptions,
): Promise<TagResult> {
  const { tag, action, digest } = plan;
  const low = lowAllowance(deps, work);
  const result = { tag, action, digest, bytes: 0 };
  if (low !== undefined || !digest) return { ...result, state: 'failed', reason: low ?? null };
  const { hasManifest, bytes, failures } = await bringOverPauses(deps, work, digest, options);
  if (failures.length === 0) return { ...result, bytes, state: 'done', reason: null };
  return { ...result, bytes, state: hasManifest ? 'partial' : 'failed', reason: inShort(failures) };
}

/** What a short pause of the registry has interrupted goes on after it. */
async function bringOverPauses(
  deps: SyncDeps,
  work: RepositoryWork,
  root: Digest,
  options: BringOptions,
): Promise<Brought> {
  await sitOut(deps, work.image, work.signal);
  let brought = await bringDigest(deps, work, root, options);
  for (let pauses = 0; pauses < maxPauses && brought.failures.length > 0; pauses += 1) {
    if (!(await sitOut(deps, work.image, work.signal))) break;
    const { bytes } = brought;
    brought = await bringDigest(deps, work, root, options);
    brought = { ...brought, bytes: brought.bytes + bytes };
  }
  return brought;
}

async function bringDigest(
  deps: SyncDeps,
  work: RepositoryWork,
  root: Digest,
  options: BringOptions,
): Promise<Brought> {
  const { block, image, signal, pace } = work;
  const { registry, repository } = image;
  const failures: string[] = [];
  const report = await deps.warm(
    { registry, repository, digest: root },
    { platforms: block.platforms, signal, pace, ...options },
  );
  failures.push(...report.failures);
  const { fetched } = report;
  if (report.digest === null || block.referrers === 'none') {
    return { hasManifest: report.digest !== null, bytes: fetched, failures };
  }
  const attached = await bringReferrers(deps, work, root, options);
  failures.push(...attached.failures);
  return { hasManifest: true, bytes: fetched + attached.bytes, failures };
}

/** A sentence where a host of the image has fewer pulls left than the block wants to leave. */
function lowAllowance(deps: SyncDeps, { block, image }: RepositoryWork): string | undefined {
  const { floor } = block;
  if (floor === undefined) return undefined;
  const upstream = deps.upstream();
  const { registry, repository } = image;
  const hosts = new Set(upstream.endpoints({ registry, repository }).map(({ host }) => host));
  for (const { host, allowance } of upstream.health()) {
    const left = allowance?.remaining;
    if (hosts.has(host) && left !== undefined && left < floor) {
      return `${host} allows ${left} more pulls, and the block leaves ${floor}`;
    }
  }
  return undefined;
}
