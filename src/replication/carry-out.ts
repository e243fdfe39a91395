/**
 * Does what a plan says about one tag, and writes down how far the tag has come. Work on one tag never overlaps: a run of a block and
 * the job of an event may come to the same tag at once.
 *
 *   add, move ............ brought here (`bring-tag.ts`)
 *   same ................. confirmed; once a day its registry is asked for referrers that were attached later
 *   refused, unknown ..... failed
 *   hosted, gone, remove . left: the end of a run removes (`removal/remove-gone.ts`)
 *
 * What the end of the run's time or of the server cuts off has not failed: it waits for the next run.
 */
import type { ReplicaPosition } from '../cache/index/replicas/replica-store.ts';
import { reasonOf } from '../lib/thrown.ts';
import { isAttached } from '../oci/attached-tags.ts';
import { bringReferrers } from './bring-referrers.ts';
import { bringTag, type TagResult } from './bring-tag.ts';
import { type BringOptions, isTag, type PlannedTag, type RepositoryWork } from './planned-tag.ts';
import { inShort } from './reasons.ts';
import type { EndOfRun } from './replicas/replica-book.ts';
import type { SyncDeps } from './sync-deps.ts';

export interface CarryOptions extends BringOptions {
  /** When the change happened that the plan follows, epoch ms. */
  readonly changedAt: number;
  /** Asks for referrers whenever that was last done. */
  readonly isThorough?: boolean | undefined;
}

/** ms after which a tag that is the same is asked for referrers again. */
const referrersEvery = 24 * 3_600_000;

/** Resolves where a registry fails, too. Rejects for bugs, and where `turn` does. */
export async function carryOut(
  deps: SyncDeps,
  work: RepositoryWork,
  plan: PlannedTag,
  options: CarryOptions,
): Promise<TagResult> {
  const { replicas, clock } = deps;
  const place = { image: work.image.name, tag: plan.tag, sync: work.block.name };
  return await replicas.alone(place, async () => {
    const began = clock.monotonic();
    const end = (result: Omit<EndOfRun, 'seconds' | 'state'> & Pick<TagResult, 'state'>) => {
      if (result.state === 'left') return Promise.resolve();
      const unfinished = result.state === 'failed' && isUnasked(plan) ? 'unknown' : result.state;
      const state = result.state !== 'done' && work.signal.aborted ? 'pending' : unfinished;
      const { digest, reason, bytes, hasReferrers } = result;
      const seconds = Math.round(clock.monotonic() - began) / 1000;
      return replicas.ended(place, { state, digest, reason, bytes, hasReferrers, seconds });
    };
    try {
      const { result, hasReferrers } = await follow(deps, work, plan, { ...options, place });
      await end({ ...result, hasReferrers });
      return result;
    } catch (error) {
      const reason = reasonOf(error);
      await end({ state: 'failed', digest: plan.digest, reason, bytes: 0, hasReferrers: false });
      throw error;
    }
  });
}

/** Nothing is known against the tag: its registry could not be asked. */
function isUnasked({ action, isAbsent }: PlannedTag): boolean {
  return action === 'same' || (action === 'unknown' && !isAbsent);
}

interface Followed {
  readonly result: TagResult;
  readonly hasReferrers: boolean;
}

async function follow(
  deps: SyncDeps,
  work: RepositoryWork,
  plan: PlannedTag,
  options: CarryOptions & { readonly place: ReplicaPosition },
): Promise<Followed> {
  const { tag, action, digest, reason } = plan;
  const { place, turn, changedAt, onProgress } = options;
  const without = (state: TagResult['state'], why = reason): Followed => ({
    result: { tag, action, digest, bytes: 0, reason: why, state },
    hasReferrers: false,
  });
  const isLeft = action === 'hosted' || action === 'gone' || action === 'remove';
  if (isLeft) return without('left');
  if (work.signal.aborted) return without('failed', reasonOf(work.signal.reason));
  switch (action) {
    case 'add':
    case 'move': {
      await turn();
      await deps.replicas.began(place, digest, changedAt);
      const result = await bringTag(deps, work, { plan, onProgress, turn });
      if (result.state === 'done') await select(deps, work, result);
      return { result, hasReferrers: result.state === 'done' && work.block.referrers !== 'none' };
    }
    case 'same':
      return await confirm(deps, work, plan, options);
    case 'refused':
    case 'unknown':
      return without('failed');
  }
}

/** What has come without a plan of its repository, by an event or as a signature of another tag, is the block's as well. */
async function select(
  { selections }: SyncDeps,
  { block, image }: RepositoryWork,
  { tag, digest }: TagResult,
) {
  const told = await selections.ofTag(image.name, tag);
  const known = told.find((one) => one.block === block.name);
  if (!digest || (known?.digest === digest && !known.gone)) return;
  await selections.change(block.name, image.name, { put: [{ tag, digest, gone: undefined }], drop: [] });
}

/** The registry has said that nothing has changed. */
async function confirm(
  deps: SyncDeps,
  work: RepositoryWork,
  { tag, action, digest, endpoint, reason }: PlannedTag,
  { place, turn, onProgress, isThorough = false }: CarryOptions & { readonly place: ReplicaPosition },
): Promise<Followed> {
  const { cache, replicas, clock } = deps;
  const { image, block } = work;
  const result = { tag, action, digest, bytes: 0, reason, state: 'done' } as const;
  const known = isTag(tag) ? await cache.tag(image.name, tag) : { digest };
  // An event may have moved it since the plan was made.
  if (!digest || known?.digest !== digest)
    return { result: { ...result, state: 'left' }, hasReferrers: false };
  if (endpoint && isTag(tag)) await cache.setTag(image.name, tag, { digest, endpoint });
  const { referrersAt = 0 } = (await replicas.find(place)) ?? {};
  const isLate = Math.abs(clock.now() - referrersAt) >= referrersEvery;
  if (block.referrers === 'none' || isAttached(tag) || !(isLate || isThorough)) {
    return { result, hasReferrers: false };
  }
  await turn();
  const { bytes, failures } = await bringReferrers(deps, work, digest, { onProgress, turn });
  if (failures.length === 0) return { result: { ...result, bytes }, hasReferrers: true };
  const why = inShort(failures);
  return { result: { ...result, bytes, state: 'partial', reason: why }, hasReferrers: false };
}
