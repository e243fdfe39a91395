/** One block of `[[sync]]`, once: a plan, or a plan and then its work. A plain function: schedules and commands call it. */
import type { SyncBlock } from '../config/config.ts';
import { mapAtOnce } from '../lib/flow/at-once.ts';
import { readTagPattern } from '../lib/tag-patterns.ts';
import { reasonOf } from '../lib/thrown.ts';
import { parseTag, type Tag } from '../oci/reference.ts';
import type { WarmProgress } from '../pull/warm-image.ts';
import type { ImageName } from '../routing/target.ts';
import { withAttached } from './attached-results.ts';
import { attachedTags } from './attached-tags.ts';
import type { TagResult } from './bring-tag.ts';
import { type CarryOptions, carryOut } from './carry-out.ts';
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
    await deps.replicas.forget({ sync: block.name, images: images.map(({ name }) => name) });
    const repositories: SyncedRepository<TagResult>[] = [];
    for (const image of images) {
      const options = { onProgress, turn, stop: signal, changedAt: clock.now() };
      repositories.push(await syncRepository(deps, workOf(block, image, until), options));
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
  const { problem, listed, tags } = plan;
  if (problem !== null) await deps.replicas.notListed(name, block.name, problem);
  else await writeDown(deps, work, tags, options.changedAt);
  const results = new Map<Tag, TagResult>();
  await mapAtOnce(bringingOrder(tags), tagsAtOnce, async (planned) => {
    results.set(planned.tag, await carryOut(deps, work, planned, options));
  });
  const inOrder = tags.flatMap(({ tag }) => results.get(tag) ?? []);
  const late = await bringLate(deps, work, { listed, results: inOrder, options });
  const all = await withAttached(deps, work, inOrder, [...inOrder, ...late]);
  return { ...plan, image: name, listed: listed.length, tags: [...all, ...late] };
}

/** What is to be brought, and what the block wants no more. */
async function writeDown(
  { replicas }: SyncDeps,
  { block, image }: RepositoryWork,
  tags: readonly PlannedTag[],
  changedAt: number,
): Promise<void> {
  const wanted = tags.filter(({ action }) => action !== 'gone' && action !== 'hosted');
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
  const { block, image, signal } = work;
  if (block.referrers === 'none' || signal.aborted) return [];
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
    carryOut(deps, work, await planTag(deps, work, tag), options),
  );
}

async function imagesOf(deps: SyncDeps, { source }: SyncBlock) {
  const images = await sourceImages(source, deps.admin.eachImage);
  return { images, problem: images.length === 0 ? `no image known here matches ${source}` : null };
}

/** A block at work on one of its repositories. */
export function workOf(block: SyncBlock, image: ImageName, signal: AbortSignal): RepositoryWork {
  const patterns = block.immutable.map(readTagPattern);
  const isImmutable = (tag: string) => patterns.some((one) => typeof one === 'function' && one(tag));
  return { block, image, isImmutable, signal };
}
