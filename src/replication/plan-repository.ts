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
 *   here, and not selected any more ........ gone, or remove (`removal/plan-gone.ts`)
 *   a HEAD that fails ....................... unknown
 *
 * Of a block with `digests`, only what is not here is asked for.
 *
 * A tag list that cannot be had is a problem of the repository, and never an empty list. No peer of a cluster is asked for one: it may
 * give an old one, or the tags that it has itself.
 */
import { isHosted } from '../cache/index/catalogue.ts';
import type { SelectionChange } from '../cache/index/selections/selections.ts';
import type { SyncBlock } from '../config/sync-config.ts';
import { EntrepotError } from '../errors.ts';
import { mapAtOnce } from '../lib/flow/at-once.ts';
import { reasonOf } from '../lib/thrown.ts';
import { attachedTags, isAttached } from '../oci/attached-tags.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/media-types.ts';
import type { Tag } from '../oci/reference.ts';
import { verdictText } from '../pull/verdict-text.ts';
import type { ImageName } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { FetchedManifest } from '../upstream/upstream.ts';
import { type Closure, closureOf } from './closure.ts';
import { creationTime } from './creation-time.ts';
import type { PlannedTag, RepositoryWork } from './planned-tag.ts';
import { sitOut } from './registry-pause.ts';
import { planGone, tagsOf } from './removal/plan-gone.ts';
import type { SyncDeps } from './sync-deps.ts';
import { type CreationTimes, createTagSelection } from './tag-selection.ts';

export interface RepositoryPlan {
  readonly image: ImageName;
  /** All tags that the registry lists. */
  readonly listed: readonly string[];
  readonly tags: readonly PlannedTag[];
  /** What the listing changes in what the block selects. */
  readonly change: SelectionChange;
  /** Why nothing could be planned, in one sentence. */
  readonly problem: string | null;
  readonly warning: string | null;
}

/** Tags that are brought at once. */
export const tagsAtOnce = 4;
/** Small questions to registries at once; `max_connections` of a host bounds them as well. */
export const looksAtOnce = 16;

const noTimes: CreationTimes = new Map();

/** Resolves where a registry fails, too: the plan says so. Rejects for bugs and once `signal` is aborted. */
export async function planRepository(deps: SyncDeps, work: RepositoryWork): Promise<RepositoryPlan> {
  const { image, signal } = work;
  const { registry, repository, name } = image;
  const failed = (problem: string): RepositoryPlan => ({
    image,
    listed: [],
    tags: [],
    change: { put: [], drop: [] },
    problem,
    warning: null,
  });
  if (!deps.isListed(registry)) return failed(`its registry ${registry} is not listed in registries.conf`);
  if (deps.isLocal(name)) return failed('a [[push]] rule with mode = "local" keeps it from every registry');
  try {
    if (work.block.digests.length > 0) return await planDigests(deps, work);
    await sitOut(deps, image, signal);
    const list = await deps.upstream().listTags({ registry, repository }, { signal, peers: false });
    signal.throwIfAborted();
    if (!list.ok) return failed(`its tags could not be listed: ${verdictText(list.verdict, list.trail)}`);
    return await planTags(deps, work, { listed: list.value, isOld: list.age === Number.POSITIVE_INFINITY });
  } catch (error) {
    // Such as a location that makes no valid name of this repository.
    if (error instanceof EntrepotError) return failed(error.message);
    throw error;
  }
}

/** `listed`: all tags that the registry has; or, if `isOld`, those that another Entrepot knows while it cannot ask the registry. */
async function planTags(
  deps: SyncDeps,
  work: RepositoryWork,
  { listed, isOld }: { readonly listed: readonly string[]; readonly isOld: boolean },
): Promise<RepositoryPlan> {
  const { block, image } = work;
  const { clock } = deps;
  const selection = createTagSelection(block.tags);
  const looks = new Map<string, PlannedTag>();
  const lookAt = (tags: readonly Tag[]) =>
    mapAtOnce(
      tags.filter((tag) => !looks.has(tag)),
      looksAtOnce,
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

  const planned = [...chosen, ...others].flatMap((tag) => looks.get(tag) ?? []);
  const losesNothing = isOld || work.losesNothing === true;
  const { tags, change } = await planGone(deps, { ...work, losesNothing }, { listed, planned });
  const old = isOld ? 'an endpoint gave an old list of its tags: what is not in it is not gone' : null;
  const warning = chosen.length === 0 ? nothingSelected(listed) : old;
  return { image, listed, tags: [...planned, ...tags], change, problem: null, warning };
}

/** What is to be done about one tag that the registry lists. Rejects for bugs and once the signal is aborted. */
export async function planTag(deps: SyncDeps, work: RepositoryWork, tag: Tag): Promise<PlannedTag> {
  const { block, image, signal } = work;
  signal.throwIfAborted();
  const { registry, repository, name } = image;
  const known = await deps.cache.tag(name, tag);
  const was = known?.digest ?? null;
  const closure = (root: Digest) => closureOf(deps.admin, name, { root, platforms: block.platforms });
  const isImmutable = work.isImmutable(tag);
  const plan = { tag, was, digest: was, bytes: null, reason: null, endpoint: null, until: null };
  if (known && isHosted(known.endpoint)) {
    return { ...plan, action: 'hosted', reason: 'it was pushed here, and the sync leaves it alone' };
  }
  if (known && isImmutable && (await closure(known.digest)).isWhole) return { ...plan, action: 'same' };

  const ask = () =>
    deps.upstream().headManifest({ registry, repository, tag }, { signal, revalidates: true });
  await sitOut(deps, image, signal);
  let head = await ask();
  if (!head.ok && head.verdict.kind === 'rateLimited' && (await sitOut(deps, image, signal)))
    head = await ask();
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

/** The same. It is unknown where the time of the run is over: the next one looks at it, and this one is not done. */
export async function planUnlessOver(deps: SyncDeps, work: RepositoryWork, tag: Tag): Promise<PlannedTag> {
  try {
    return await planTag(deps, work, tag);
  } catch (error) {
    if (!work.signal.aborted) throw error;
    const unknown = { digest: null, was: null, bytes: null, endpoint: null, until: null };
    return { ...unknown, tag, action: 'unknown', reason: reasonOf(error) };
  }
}

/** A block that selects digests asks for what is not here, and lists tags only for those that are attached. */
async function planDigests(deps: SyncDeps, work: RepositoryWork): Promise<RepositoryPlan> {
  const { block, image, signal } = work;
  const { registry, repository } = image;
  const digests = await mapAtOnce(block.digests, looksAtOnce, (digest) => planDigest(deps, work, digest));
  const list =
    block.referrers === 'all' &&
    (await deps.upstream().listTags({ registry, repository }, { signal, peers: false }));
  signal.throwIfAborted();
  const listed = list !== false && list.ok ? list.value : [];
  const attached = await attachedOf(deps, { block, image, listed }, block.digests);
  const others = await mapAtOnce(attached, looksAtOnce, (tag) => planTag(deps, work, tag));
  const tags = [...digests, ...others];
  const known = await deps.selections.of(block.name, image.name);
  const put = tags.flatMap(({ tag, digest, action }) =>
    digest && action !== 'hosted' ? [{ tag, digest, gone: undefined }] : [],
  );
  // Some registries have no list for a repository without tags.
  const problem =
    list !== false && !list.ok && list.verdict.kind !== 'notFound'
      ? `tags of signatures could not be listed: ${verdictText(list.verdict, list.trail)}`
      : null;
  // What a listing that failed does not tell of is still selected.
  const isKept = (tag: string) =>
    tags.some((one) => one.tag === tag) || (problem !== null && isAttached(tag));
  const drop = known.flatMap(({ tag }) => (isKept(tag) ? [] : [tag]));
  return { image, listed, tags, change: { put, drop }, problem, warning: null };
}

async function planDigest(deps: SyncDeps, work: RepositoryWork, digest: Digest): Promise<PlannedTag> {
  const { block, image, signal } = work;
  signal.throwIfAborted();
  const { registry, repository, name } = image;
  const there = await closureOf(deps.admin, name, { root: digest, platforms: block.platforms });
  const plan = { tag: digest, digest, was: null, bytes: null, reason: null, endpoint: null, until: null };
  if (there.isWhole) return { ...plan, action: 'same', was: digest };
  const head = await deps.upstream().headManifest({ registry, repository, digest }, { signal });
  if (!head.ok) {
    const reason = `its registry does not give it: ${verdictText(head.verdict, head.trail)}`;
    return { ...plan, action: 'unknown', reason };
  }
  const bytes = missingBytes(there, head.value.fetched);
  return { ...plan, action: 'add', bytes, endpoint: endpointKey(head.endpoint) };
}

async function creationTimes(
  { pull }: SyncDeps,
  { image, signal }: RepositoryWork,
  tags: readonly PlannedTag[],
): Promise<CreationTimes> {
  const times = new Map<string, number>();
  await mapAtOnce(tags, looksAtOnce, async ({ tag, digest }) => {
    signal.throwIfAborted();
    const time = digest ? await creationTime(pull, image, digest) : undefined;
    if (time !== undefined) times.set(tag, time);
  });
  return times;
}

function nothingSelected(listed: readonly string[]): string {
  return listed.length === 0
    ? 'its registry lists no tags: nothing of it is removed here'
    : `none of its ${listed.length} tags is selected`;
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
  if (block.referrers !== 'all' || !listed.some((tag) => /^sha(?:256|512)-/.test(tag))) return [];
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

function missingBytes({ missingBytes: known }: Closure, fetched: FetchedManifest | undefined): number | null {
  if (known !== undefined) return known;
  if (!fetched || isIndexType(fetched.mediaType)) return null;
  return fetched.manifest.children.reduce((sum, { size }) => sum + size, fetched.bytes.length);
}
