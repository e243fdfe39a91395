/**
 * What one run would do to one repository. It costs one tag list, and one HEAD for each tag that the block selects (for
 * each candidate, where times of creation decide):
 *
 *   nothing here ............................ add
 *   here, the same digest, whole ............ same
 *   here, the same digest, not whole ........ add
 *   here, another digest .................... move; refused if the tag is immutable
 *   here, whole and immutable ............... same, without a HEAD
 *   pushed here ............................. hosted: no endpoint knows better
 *   here, and its registry lists it no more . gone: it stays
 *   a HEAD that fails ....................... unknown
 *
 * A tag list that cannot be had is a problem of the repository, and never an empty list.
 */
import type { CachedTag } from '../cache/cache.ts';
import { isHosted } from '../cache/index/catalogue.ts';
import type { SyncBlock } from '../config/config.ts';
import { EntrepotError } from '../errors.ts';
import { mapAtOnce } from '../lib/flow/at-once.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-types.ts';
import { parseTag, type Tag } from '../oci/reference.ts';
import { verdictText } from '../pull/verdict-text.ts';
import type { ImageName } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { FetchedManifest } from '../upstream/upstream.ts';
import { attachedTags } from './attached-tags.ts';
import { type Closure, closureOf } from './closure.ts';
import { creationTime } from './creation-time.ts';
import type { SyncDeps } from './sync-deps.ts';
import { type CreationTimes, createTagSelection } from './tag-selection.ts';

export type TagAction = 'add' | 'move' | 'same' | 'refused' | 'hosted' | 'gone' | 'unknown';

/** Goes out as JSON. */
export interface PlannedTag {
  readonly tag: Tag;
  readonly action: TagAction;
  /** What the registry says now; of `gone` and `hosted`, what is here. */
  readonly digest: Digest | null;
  /** What is here. */
  readonly was: Digest | null;
  /** Bytes that are missing, where the manifests that are here tell. */
  readonly bytes: number | null;
  /** Why, in one sentence, where the action alone does not say it. */
  readonly reason: string | null;
  /** endpointKey of the one that said so; null if none was asked. */
  readonly endpoint: string | null;
  /** Of `unknown`: every endpoint says 404. */
  readonly isAbsent?: true;
}

export interface RepositoryPlan {
  readonly image: ImageName;
  /** All tags that the registry lists. */
  readonly listed: readonly string[];
  readonly tags: readonly PlannedTag[];
  /** Why nothing could be planned, in one sentence. */
  readonly problem: string | null;
  readonly warning: string | null;
}

/** One block at work on one repository. */
export interface RepositoryWork {
  readonly block: SyncBlock;
  readonly image: ImageName;
  readonly isImmutable: (tag: string) => boolean;
  readonly signal: AbortSignal;
}

/** Tags that are looked at, or brought, at once. */
export const tagsAtOnce = 4;

const noTimes: CreationTimes = new Map();

/** Resolves where a registry fails, too: the plan says so. Rejects for bugs and once `signal` is aborted. */
export async function planRepository(deps: SyncDeps, work: RepositoryWork): Promise<RepositoryPlan> {
  const { image, signal } = work;
  const { registry, repository, name } = image;
  const failed = (problem: string): RepositoryPlan => ({
    image,
    listed: [],
    tags: [],
    problem,
    warning: null,
  });
  if (!deps.isListed(registry)) return failed(`its registry ${registry} is not listed in registries.conf`);
  if (deps.isLocal(name)) return failed('a [[push]] rule with mode = "local" keeps it from every registry');
  try {
    const list = await deps.upstream().listTags({ registry, repository }, { signal });
    signal.throwIfAborted();
    if (!list.ok) return failed(`its tags could not be listed: ${verdictText(list.verdict, list.trail)}`);
    return await planTags(deps, work, list.value);
  } catch (error) {
    // Such as a location that makes no valid name of this repository.
    if (error instanceof EntrepotError) return failed(error.message);
    throw error;
  }
}

/** `listed`: all tags that the registry has. */
async function planTags(
  deps: SyncDeps,
  work: RepositoryWork,
  listed: readonly string[],
): Promise<RepositoryPlan> {
  const { block, image } = work;
  const { cache, clock } = deps;
  const { name } = image;
  const selection = createTagSelection(block.tags);
  const looks = new Map<string, PlannedTag>();
  const lookAt = (tags: readonly Tag[]) =>
    mapAtOnce(
      tags.filter((tag) => !looks.has(tag)),
      tagsAtOnce,
      async (tag) => {
        looks.set(tag, await planTag(deps, work, tag));
      },
    );
  const named = tagsOf(selection.byName(listed));
  if (selection.needsTimes) await lookAt(named);
  const created = selection.needsTimes ? await creationTimes(deps, work, [...looks.values()]) : noTimes;
  const chosen = tagsOf(selection.byTime(named, created, clock.now()));
  await lookAt(chosen);
  const attached = await attachedOf(
    deps,
    { block, image, listed },
    chosen.flatMap((tag) => looks.get(tag)?.digest ?? []),
  );
  const others = attached.filter((tag) => !chosen.includes(tag));
  await lookAt(others);

  const isListedTag = new Set(listed);
  const here = tagsOf(selection.byName(await cache.tags(name)));
  const gone = here.filter((tag) => !isListedTag.has(tag));
  const tags = [...chosen, ...others].flatMap((tag) => looks.get(tag) ?? []);
  const kept = await Promise.all(gone.map((tag) => planGone(deps, name, tag)));
  const isEmpty = listed.length > 0 && chosen.length === 0;
  const warning = isEmpty ? `none of its ${listed.length} tags is selected` : null;
  return { image, listed, tags: [...tags, ...kept.flat()], problem: null, warning };
}

/** What is to be done about one tag that the registry lists. */
export async function planTag(deps: SyncDeps, work: RepositoryWork, tag: Tag): Promise<PlannedTag> {
  const { block, image, signal } = work;
  signal.throwIfAborted();
  const { registry, repository, name } = image;
  const known = await deps.cache.tag(name, tag);
  const was = known?.digest ?? null;
  const closure = (root: Digest) => closureOf(deps.admin, name, { root, platforms: block.platforms });
  const isImmutable = work.isImmutable(tag);
  const plan = { tag, was, digest: was, bytes: null, reason: null, endpoint: null };
  if (known && isHosted(known.endpoint)) {
    return { ...plan, action: 'hosted', reason: 'it was pushed here, and the sync leaves it alone' };
  }
  if (known && isImmutable && (await closure(known.digest)).isWhole) return { ...plan, action: 'same' };

  const head = await deps.upstream().headManifest({ registry, repository, tag }, { signal });
  signal.throwIfAborted();
  if (!head.ok) {
    const reason = `the registry lists it, but does not say what it is: ${verdictText(head.verdict, head.trail)}`;
    const isAbsent = head.verdict.kind === 'notFound';
    return { ...plan, action: 'unknown', digest: null, reason, ...(isAbsent && { isAbsent }) };
  }
  const { digest, fetched } = head.value;
  const seen = { ...plan, digest, endpoint: endpointKey(head.endpoint) };
  if (known && isImmutable && digest !== known.digest) {
    return {
      ...seen,
      action: 'refused',
      reason: `it is immutable, but the registry has moved it to ${digest}`,
    };
  }
  const there = await closure(digest);
  const bytes = missingBytes(there, fetched);
  if (known?.digest !== digest) return { ...seen, action: known ? 'move' : 'add', bytes };
  if (there.isWhole) return { ...seen, action: 'same' };
  return { ...seen, action: 'add', bytes, reason: 'it is here, but not its whole content' };
}

async function creationTimes(
  { pull }: SyncDeps,
  { image, signal }: RepositoryWork,
  tags: readonly PlannedTag[],
): Promise<CreationTimes> {
  const times = new Map<string, number>();
  await mapAtOnce(tags, tagsAtOnce, async ({ tag, digest }) => {
    signal.throwIfAborted();
    const time = digest ? await creationTime(pull, image, digest) : undefined;
    if (time !== undefined) times.set(tag, time);
  });
  return times;
}

async function planGone(deps: SyncDeps, image: string, tag: Tag): Promise<readonly PlannedTag[]> {
  const known: CachedTag | undefined = await deps.cache.tag(image, tag);
  if (!known || isHosted(known.endpoint)) return [];
  const { digest } = known;
  const reason = 'its registry lists it no more; it stays here';
  return [{ tag, action: 'gone', digest, was: digest, bytes: null, reason, endpoint: null }];
}

/** Tags of signatures and referrers of what is selected, as far as the manifests here tell what that consists of. */
async function attachedOf(
  deps: SyncDeps,
  {
    block,
    image,
    listed,
  }: { readonly block: SyncBlock; readonly image: ImageName; readonly listed: readonly string[] },
  roots: readonly Digest[],
): Promise<readonly Tag[]> {
  if (block.referrers === 'none' || !listed.some((tag) => /^sha(?:256|512)-/.test(tag))) return [];
  const manifests = new Set<Digest>();
  for (const root of roots) {
    const { manifests: found } = await closureOf(deps.admin, image.name, {
      root,
      platforms: block.platforms,
    });
    for (const digest of found) manifests.add(digest);
  }
  return tagsOf(attachedTags(listed, manifests));
}

function tagsOf(texts: readonly string[]): readonly Tag[] {
  return texts.flatMap((text) => parseTag(text) ?? []);
}

function missingBytes({ missingBytes: known }: Closure, fetched: FetchedManifest | undefined): number | null {
  if (known !== undefined) return known;
  if (!fetched || isIndexType(fetched.mediaType)) return null;
  return fetched.manifest.children.reduce((sum, { size }) => sum + size, fetched.bytes.length);
}
