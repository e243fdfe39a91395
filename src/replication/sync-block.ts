/** One block of `[[sync]]`, once: a plan, or a plan and then its work. A plain function: schedules and commands call it. */
import type { SyncBlock } from '../config/config.ts';
import { mapAtOnce } from '../lib/flow/at-once.ts';
import { readTagPattern } from '../lib/tag-patterns.ts';
import { reasonOf } from '../lib/thrown.ts';
import { parseTag } from '../oci/reference.ts';
import type { WarmProgress } from '../pull/warm-image.ts';
import type { ImageName } from '../routing/target.ts';
import { attachedTags } from './attached-tags.ts';
import { bringTag, type TagResult } from './bring-tag.ts';
import { closureOf } from './closure.ts';
import {
  type PlannedTag,
  planRepository,
  planTag,
  type RepositoryPlan,
  type RepositoryWork,
  tagsAtOnce,
} from './plan-repository.ts';
import { sourceImages } from './source-images.ts';
import type { SyncDeps } from './sync-deps.ts';

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
}

export interface SyncReport {
  readonly name: string;
  /** `partial`: some of it is done. */
  readonly state: 'done' | 'partial' | 'failed';
  readonly repositories: readonly SyncedRepository<TagResult>[];
  readonly problem: string | null;
  /** Fetched. */
  readonly bytes: number;
  readonly seconds: number;
}

export interface SyncOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: WarmProgress) => void;
  /** Awaited before each tag that is brought; a job lets clients go first. */
  readonly turn?: (() => Promise<void>) | undefined;
}

/** Asks registries and changes no tag. Resolves where a registry fails, too. Rejects for bugs, and once `signal` is aborted. */
export async function planBlock(deps: SyncDeps, block: SyncBlock, signal: AbortSignal): Promise<SyncPlan> {
  const { images, problem } = await imagesOf(deps, block);
  const repositories: SyncedRepository<PlannedTag>[] = [];
  for (const image of images) {
    const plan = await planRepository(deps, workOf(block, image, signal));
    repositories.push({ ...plan, image: image.name, listed: plan.listed.length });
  }
  return { name: block.name, repositories, problem };
}

/** Plans each repository and brings its tags here. Resolves where a registry fails or time runs out: the report says so. */
export async function syncBlock(
  deps: SyncDeps,
  block: SyncBlock,
  { signal, onProgress, turn }: SyncOptions,
): Promise<SyncReport> {
  const { clock } = deps;
  const began = clock.monotonic();
  const deadline = new AbortController();
  const timer = clock.after(block.timeout, () =>
    deadline.abort(new Error('the time of the run (timeout) is over')),
  );
  const until = AbortSignal.any([signal, deadline.signal]);
  try {
    const { images, problem } = await imagesOf(deps, block);
    const repositories: SyncedRepository<TagResult>[] = [];
    for (const image of images) {
      repositories.push(await syncRepository(deps, workOf(block, image, until), { onProgress, turn }));
    }
    const tags = repositories.flatMap((repository) => repository.tags);
    const hasProblem = problem !== null || repositories.some((repository) => repository.problem !== null);
    const isDone = !hasProblem && tags.every(({ state }) => state === 'done' || state === 'left');
    const isFailed = !tags.some(({ state }) => state === 'done' || state === 'partial');
    return {
      name: block.name,
      state: isDone ? 'done' : isFailed ? 'failed' : 'partial',
      repositories,
      problem,
      bytes: tags.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: Math.round(clock.monotonic() - began) / 1000,
    };
  } finally {
    timer.cancel();
  }
}

async function syncRepository(
  deps: SyncDeps,
  work: RepositoryWork,
  options: Omit<SyncOptions, 'signal'>,
): Promise<SyncedRepository<TagResult>> {
  const { image, signal } = work;
  let plan: RepositoryPlan;
  try {
    plan = await planRepository(deps, work);
  } catch (error) {
    if (!signal.aborted) throw error;
    return { image: image.name, listed: 0, tags: [], problem: reasonOf(signal.reason), warning: null };
  }
  const planned = new Set<string>(plan.tags.map(({ tag }) => tag));
  const results = await mapAtOnce(plan.tags, tagsAtOnce, (tag) => carryOut(deps, work, tag, options));
  const late = (await lateTags(deps, work, plan, results)).filter((tag) => !planned.has(tag));
  const lateResults = await mapAtOnce(late, tagsAtOnce, async (tag) =>
    carryOut(deps, work, await planTag(deps, work, tag), options),
  );
  return { ...plan, image: image.name, listed: plan.listed.length, tags: [...results, ...lateResults] };
}

async function carryOut(
  deps: SyncDeps,
  work: RepositoryWork,
  plan: PlannedTag,
  { onProgress, turn }: Omit<SyncOptions, 'signal'>,
): Promise<TagResult> {
  const { tag, action, digest, endpoint, reason } = plan;
  const result = { tag, action, digest, bytes: 0, reason };
  if (work.signal.aborted) return { ...result, state: 'failed', reason: reasonOf(work.signal.reason) };
  switch (action) {
    case 'add':
    case 'move':
      await turn?.();
      return await bringTag(deps, work, { plan, onProgress });
    case 'same':
      // The registry has just confirmed it.
      if (digest && endpoint) await deps.cache.setTag(work.image.name, tag, { digest, endpoint });
      return { ...result, state: 'done' };
    case 'hosted':
    case 'gone':
      return { ...result, state: 'left' };
    case 'refused':
    case 'unknown':
      return { ...result, state: 'failed' };
  }
}

/** Tags of signatures and referrers of what has come: before, its manifests were not known. */
async function lateTags(
  deps: SyncDeps,
  { block, image, signal }: RepositoryWork,
  { listed }: RepositoryPlan,
  results: readonly TagResult[],
) {
  if (block.referrers === 'none' || signal.aborted) return [];
  const manifests = new Set<NonNullable<TagResult['digest']>>();
  for (const { action, digest } of results) {
    if (!digest || (action !== 'add' && action !== 'move')) continue;
    const closure = await closureOf(deps.admin, image.name, { root: digest, platforms: block.platforms });
    for (const one of closure.manifests) manifests.add(one);
  }
  return attachedTags(listed, manifests).flatMap((tag) => parseTag(tag) ?? []);
}

async function imagesOf(deps: SyncDeps, { source }: SyncBlock) {
  const images = await sourceImages(source, deps.admin.eachImage);
  return { images, problem: images.length === 0 ? `no image known here matches ${source}` : null };
}

function workOf(block: SyncBlock, image: ImageName, signal: AbortSignal): RepositoryWork {
  const patterns = block.immutable.map(readTagPattern);
  const isImmutable = (tag: string) => patterns.some((one) => typeof one === 'function' && one(tag));
  return { block, image, isImmutable, signal };
}
