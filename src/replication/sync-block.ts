/** One block of `[[sync]]`, once: a plan, or a plan and then its work. A plain function: schedules and commands call it. */
import type { SyncBlock } from '../config/sync-config.ts';
import { mapAtOnce } from '../lib/flow/at-once.ts';
import { readTagPattern } from '../lib/tag-patterns.ts';
import { reasonOf } from '../lib/thrown.ts';
import { attachedTags } from '../oci/attached-tags.ts';
import { parseTag } from '../oci/reference.ts';
import type { ImageName } from '../routing/target.ts';
import { withAttached } from './attached-results.ts';
import { imagesOf } from './block-images.ts';
import type { TagResult } from './bring-tag.ts';
import { type CarryOptions, carryOut } from './carry-out.ts';
import { closureOf } from './closure.ts';
import {
  looksAtOnce,
  planRepository,
  planUnlessOver,
  type RepositoryPlan,
  tagsAtOnce,
} from './plan-repository.ts';
import type { PlannedTag, RepositoryWork } from './planned-tag.ts';
import { letsGo, onceMore } from './removal/gone-tags.ts';
import { removalLimit, removeGone } from './removal/remove-gone.ts';
import { createRunLimits, paceOf } from './run-limits.ts';
import { isOfSource } from './source-images.ts';
import type { SyncDeps, SyncOptions } from './sync-deps.ts';
import { newestVersionFirst, versionOf } from './tag-version.ts';

/** Goes out as JSON, as `SyncPlan` and `SyncReport` do. `Tag`: what is told of each tag. */
export interface SyncedRepository<Tag> {
  /** `registry/repository`. */
  readonly image: string;
  /** Tags that the registry lists. */
  readonly listed: number;
  readonly tags: readonly Tag[];
  readonly problem: string | null;
  readonly warning: string | null;
}

export interface SyncPlan {
  readonly name: string;
  readonly repositories: readonly SyncedRepository<PlannedTag>[];
  readonly problem: string | null;
  /** Of the block as a whole. */
  readonly warning: string | null;
}

export interface SyncReport {
  readonly name: string;
  /** `partial`: some of it is done. */
  readonly state: 'done' | 'partial' | 'failed';
  readonly repositories: readonly SyncedRepository<TagResult>[];
  readonly problem: string | null;
  /** Of the block as a whole. */
  readonly warning: string | null;
  /** When the next window of the block opens (ISO 8601), where this run left off for the sake of one; else null. */
  readonly resumes: string | null;
  /** Fetched. */
  readonly bytes: number;
  readonly seconds: number;
}

/** Tags that a run has removed here. */
export function removedBy({ repositories }: Pick<SyncReport, 'repositories'>) {
  return repositories.flatMap(({ image, tags }) =>
    tags
      .filter(({ action, state }) => action === 'remove' && state === 'done')
      .map(({ tag, digest }) => ({ image, tag, digest })),
  );
}

/** Asks registries and changes no tag. Resolves where a registry fails, too. Rejects for bugs, and once `signal` is aborted. */
export async function planBlock(deps: SyncDeps, block: SyncBlock, signal: AbortSignal): Promise<SyncPlan> {
  const { images, problem, warning } = await imagesOf(deps, block, signal);
  const repositories: SyncedRepository<PlannedTag>[] = [];
  for (const image of images) {
    const { listed, tags, ...plan } = await planRepository(deps, workOf(block, image, signal));
    const { problem: why, warning: but } = plan;
    repositories.push({ image: image.name, listed: listed.length, tags, problem: why, warning: but });
  }
  const going = repositories.flatMap(({ tags }) => tags.filter(({ action }) => action === 'remove'));
  const limit = await removalLimit(deps, block, going.length);
  return { name: block.name, repositories, problem, warning: limit ?? warning };
}

/** Plans each repository and brings its tags here. Resolves where a registry fails or time runs out: the report says so. */
export async function syncBlock(deps: SyncDeps, block: SyncBlock, options: SyncOptions): Promise<SyncReport> {
  const { clock } = deps;
  const began = clock.monotonic();
  const since = clock.now();
  const limits = createRunLimits(clock, block, options);
  const pace = paceOf(clock, block);
  const report = (part: Omit<SyncReport, 'name' | 'bytes' | 'seconds' | 'resumes'>): SyncReport => ({
    name: block.name,
    ...part,
    resumes: limits.resumes(),
    bytes: part.repositories.flatMap(({ tags }) => tags).reduce((sum, { bytes }) => sum + bytes, 0),
    seconds: Math.round(clock.monotonic() - began) / 1000,
  });
  const brought: SyncedRepository<TagResult>[] = [];
  try {
    if (limits.closed !== undefined) {
      return report({ state: 'failed', repositories: [], problem: limits.closed, warning: null });
    }
    const { images, problem, warning } = await imagesOf(deps, block, limits.signal);
    for (const image of images) {
      const work = { ...workOf(block, image, limits.signal), pace };
      const { onProgress, turn } = options;
      brought.push(await syncRepository(deps, work, { onProgress, turn, changedAt: clock.now() }));
    }
    const state = stateOf(brought, problem);
    const { allowsDelete } = options;
    const removal = { isGood: state === 'done', allowsDelete, since };
    const removed = await removeGone(deps, block, brought, removal);
    if (problem === null && warning === null) await forgetOtherImages(deps, block, images);
    return report({ ...removed, state, problem, warning: removed.warning ?? warning });
  } catch (error) {
    // Such as a catalogue that was cut off. What has come is told.
    if (!limits.signal.aborted) throw error;
    const problem = reasonOf(error);
    return report({ state: stateOf(brought, problem), repositories: brought, problem, warning: null });
  } finally {
    limits.end();
    await forgetIfGone(deps, block);
  }
}

/** A block that a reload has taken away while it was at work leaves nothing of itself: what it has written since goes, too. */
export async function forgetIfGone(
  { selections, replicas, blocks }: Pick<SyncDeps, 'selections' | 'replicas' | 'blocks'>,
  { name }: Pick<SyncBlock, 'name'>,
): Promise<void> {
  const syncs = blocks().map((block) => block.name);
  if (syncs.includes(name)) return;
  await selections.keepOnly(syncs);
  await replicas.forget({ syncs });
}

function stateOf(
  repositories: readonly SyncedRepository<TagResult>[],
  problem: string | null,
): SyncReport['state'] {
  const tags = repositories.flatMap((repository) => repository.tags);
  const hasProblem = problem !== null || repositories.some((repository) => repository.problem !== null);
  if (!hasProblem && tags.every(({ state }) => state === 'done' || state === 'left')) return 'done';
  return tags.some(({ state }) => state === 'done' || state === 'partial') ? 'partial' : 'failed';
}

/** Numbers of tags. */
export function tagCounts({ repositories }: Pick<SyncReport, 'repositories'>) {
  const tags = repositories.flatMap((repository) => repository.tags);
  const count = (wanted: string) => tags.filter((tag) => tag.state === wanted).length;
  return { done: count('done'), partial: count('partial'), failed: count('failed') };
}

/**
 * What the source names no more is not the block's any more. Its tags stay. An image that its glob matches, and that the catalogue names
 * no more, is as one whose tags are not listed: what was selected of it stays pinned for the grace, and for ever where nothing is removed.
 */
async function forgetOtherImages(
  { selections, replicas, blocks, clock }: SyncDeps,
  block: SyncBlock,
  images: readonly ImageName[],
): Promise<void> {
  const { name, source } = block;
  const now = clock.now();
  await selections.keepOnly(blocks().map((one) => one.name));
  const named = new Set(images.map((image) => image.name));
  await replicas.forget({ sync: name, images: [...named] });
  for (const image of await selections.images(name)) {
    if (named.has(image)) continue;
    const known = await selections.of(name, image);
    const gone = known.map((one) => ({ ...one, gone: onceMore(one.gone, now) }));
    const isLeft = (one: (typeof gone)[number]) => !isOfSource(source, image) || letsGo(one.gone, block, now);
    const [drop, put] = [gone.filter(isLeft), gone.filter((one) => !isLeft(one))];
    await selections.change(name, image, { put, drop: drop.map(({ tag }) => tag) });
  }
}

/** The same for one repository. Resolves where a registry fails, too. */
export async function syncRepository(
  deps: SyncDeps,
  work: RepositoryWork,
  options: CarryOptions,
): Promise<SyncedRepository<TagResult>> {
  const { block, image, signal } = work;
  const { name } = image;
  let plan: RepositoryPlan;
  try {
    plan = await planRepository(deps, work);
  } catch (error) {
    if (!signal.aborted) throw error;
    return { image: name, listed: 0, tags: [], problem: reasonOf(signal.reason), warning: null };
  }
  const { problem, warning, listed, tags } = plan;
  // Before anything comes: what comes later must not drive it out.
  await deps.selections.change(block.name, name, plan.change);
  if (problem !== null) await deps.replicas.notListed(name, block.name, problem);
  else await writeDown(deps, work, tags, options.changedAt);
  const results = new Map<string, TagResult>();
  const carry = async (planned: PlannedTag) => {
    results.set(planned.tag, await carryOut(deps, work, planned, options));
  };
  const [same = [], others = []] = [true, false].map((isSame) =>
    tags.filter(({ action }) => (action === 'same') === isSame),
  );
  await Promise.all([
    mapAtOnce(bringingOrder(others), tagsAtOnce, carry),
    mapAtOnce(same, looksAtOnce, carry),
  ]);
  const inOrder = tags.flatMap(({ tag }) => results.get(tag) ?? []);
  const late = await bringLate(deps, work, { listed, results: inOrder, options });
  const all = await withAttached(deps, work, inOrder, [...inOrder, ...late]);
  return { image: name, listed: listed.length, tags: [...all, ...late], problem, warning };
}

/** What is to be brought, and what the block wants no more. */
async function writeDown(
  { replicas }: SyncDeps,
  { block, image }: RepositoryWork,
  tags: readonly PlannedTag[],
  changedAt: number,
): Promise<void> {
  const wanted = tags.filter(({ action }) => !['gone', 'remove', 'hosted'].includes(action));
  const coming = wanted.filter(({ action }) => action === 'add' || action === 'move');
  const names = new Set(wanted.map(({ tag }) => tag));
  await replicas.planned(image.name, { sync: block.name, wanted: names, coming, changedAt });
}

/**
 * What is here in part or is out of date comes first, for clients ask for it; then names such as `latest`; then versions, the newest
 * first; the rest fills up.
 */
function bringingOrder(tags: readonly PlannedTag[]): readonly PlannedTag[] {
  const isHere = ({ was }: PlannedTag) => was !== null;
  const versioned = (planned: PlannedTag) => {
    const version = versionOf(planned.tag);
    return version ? [{ tag: planned.tag, version, planned }] : [];
  };
  const [here, others] = [tags.filter(isHere), tags.filter((one) => !isHere(one))];
  const named = others.filter(({ tag }) => !versionOf(tag));
  const versions = others.flatMap(versioned).toSorted(newestVersionFirst);
  return [...here, ...named, ...versions.map(({ planned }) => planned)];
}

/** Brings tags of signatures and referrers of what has come: before, its manifests were not known. */
export async function bringLate(
  deps: SyncDeps,
  work: RepositoryWork,
  {
    listed,
    results,
    options,
  }: {
    readonly listed: readonly string[];
    readonly results: readonly TagResult[];
    readonly options: CarryOptions;
  },
): Promise<readonly TagResult[]> {
  const { block, image } = work;
  if (block.referrers !== 'all') return [];
  const manifests = new Set<NonNullable<TagResult['digest']>>();
  for (const { action, digest } of results) {
    if (!digest || (action !== 'add' && action !== 'move')) continue;
    const closure = await closureOf(deps.admin, image.name, { root: digest, platforms: block.platforms });
    for (const one of closure.manifests) manifests.add(one);
  }
  const known = new Set<string>(results.map(({ tag }) => tag));
  const late = attachedTags(listed, manifests).flatMap((tag) =>
    known.has(tag) ? [] : (parseTag(tag) ?? []),
  );
  return await mapAtOnce(late, tagsAtOnce, async (tag) =>
    carryOut(deps, work, await planUnlessOver(deps, work, tag), options),
  );
}

/** A block at work on one of its repositories. */
export function workOf(block: SyncBlock, image: ImageName, signal: AbortSignal): RepositoryWork {
  const patterns = block.immutable.map(readTagPattern);
  const isImmutable = (tag: string) => patterns.some((one) => typeof one === 'function' && one(tag));
  return { block, image, isImmutable, signal };
}
