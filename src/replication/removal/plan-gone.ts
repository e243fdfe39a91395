/**
 * The tags of one repository that its block selects no more, after a complete listing: what is to be done about each, and how the
 * selections change. Asks no registry and writes nothing: a dry run plans, too.
 *
 *   not let go yet by this block ................ gone, until when
 *   let go by it and every other block .......... remove
 *   selected, or kept, by another block ......... gone: it stays
 *   pinned by `[[cache.pin]]` or a person ....... gone: it stays
 *   not here any more ........................... nothing but the memory of it, and that only for the grace: its content stays pinned
 */
import type { CachedTag } from '../../cache/cache.ts';
import { isHosted } from '../../cache/index/catalogue.ts';
import type { Gone, Selection, SelectionChange } from '../../cache/index/selections/selections.ts';
import type { SyncBlock } from '../../config/sync-config.ts';
import type { Digest } from '../../oci/digest.ts';
import { parseTag, type Tag } from '../../oci/reference.ts';
import type { PlannedTag, RepositoryWork } from '../planned-tag.ts';
import { isOfSource } from '../source-images.ts';
import type { SyncDeps } from '../sync-deps.ts';
import { createTagSelection } from '../tag-selection.ts';
import { changeBy, goesFrom, letsGo } from './gone-tags.ts';

export interface GonePlan {
  /** Each with the action `gone` or `remove`. */
  readonly tags: readonly PlannedTag[];
  readonly change: SelectionChange;
}

/** `listed`: all tags of the registry; `planned`: those of them that the block selects. */
export async function planGone(
  deps: SyncDeps,
  work: RepositoryWork,
  { listed, planned }: { readonly listed: readonly string[]; readonly planned: readonly PlannedTag[] },
): Promise<GonePlan> {
  const { cache, selections, clock } = deps;
  const { block, image } = work;
  const now = clock.now();
  const known = await selections.of(block.name, image.name);
  const seen = await lookAt(deps, work, { listed, planned, known });
  const { put, drop, kept } = changeBy(known, seen, now);
  const forgotten: string[] = [];
  const tags: PlannedTag[] = [];
  for (const { tag, gone } of put) {
    if (!gone) continue;
    const here = await cache.tag(image.name, tag as Tag);
    if (!here && (!block.removal || letsGo(gone, block, now))) forgotten.push(tag);
    if (here) tags.push(await planOne(deps, work, { tag: tag as Tag, gone, here, listed, now }));
  }
  for (const [tag, digest] of kept) {
    const reason = 'its registry lists it no more; it stays while the block selects nothing';
    tags.push({ ...goneTag(tag as Tag, digest), reason });
  }
  return {
    tags,
    change: { put: put.filter(({ tag }) => !forgotten.includes(tag)), drop: [...drop, ...forgotten] },
  };
}

interface Listed {
  readonly listed: readonly string[];
  readonly planned: readonly PlannedTag[];
  readonly known: readonly Selection[];
}

async function lookAt(
  { cache }: SyncDeps,
  { block, image, losesNothing = false }: RepositoryWork,
  { listed, planned, known }: Listed,
) {
  const selected = new Map<string, Digest | undefined>();
  for (const { tag, action, digest, was } of planned) {
    const meant = action === 'refused' ? was : digest;
    selected.set(tag, meant ?? undefined);
  }
  const isListed = new Set(listed);
  const matching = new Set(createTagSelection(block.tags).byName(await cache.tags(image.name)));
  const hosted = new Set<string>();
  const unlisted = new Map<string, Digest>();
  for (const tag of new Set([...matching, ...known.map((one) => one.tag)])) {
    const here: CachedTag | undefined = await cache.tag(image.name, tag as Tag);
    if (here && isHosted(here.endpoint)) hosted.add(tag);
    else if (here && !isListed.has(tag) && matching.has(tag)) unlisted.set(tag, here.digest);
  }
  for (const { tag, action } of planned) if (action === 'hosted') hosted.add(tag);
  return { selected, unlisted, hosted, losesNothing };
}

interface GoneHere {
  readonly tag: Tag;
  readonly gone: Gone;
  readonly here: CachedTag;
  readonly listed: readonly string[];
  readonly now: number;
}

async function planOne(deps: SyncDeps, work: RepositoryWork, one: GoneHere): Promise<PlannedTag> {
  const { block } = work;
  const { tag, gone, here, listed, now } = one;
  const why = listed.includes(tag) ? 'the block selects it no more' : 'its registry lists it no more';
  const plan = goneTag(tag, here.digest);
  const from = goesFrom(gone, block);
  if (from === undefined) return { ...plan, reason: `${why}; it stays here` };
  const keeper = await keeperOf(deps, block, { ...one, image: work.image.name });
  if (keeper !== undefined) return { ...plan, reason: `${why}; it stays, since ${keeper}` };
  if (letsGo(gone, block, now)) return { ...plan, action: 'remove', reason: why };
  const until = new Date(from).toISOString();
  const when = from > now ? `it stays until ${until}` : 'it stays until the next listing agrees';
  return { ...plan, until, reason: `${why}; ${when}` };
}

/** What else keeps a tag that `block` would let go, for "since ..."; undefined: nothing. */
export async function keeperOf(
  { admin, selections, blocks }: SyncDeps,
  block: SyncBlock,
  { image, tag, listed, now }: Pick<GoneHere, 'tag' | 'listed' | 'now'> & { readonly image: string },
): Promise<string | undefined> {
  if (admin.isPinned(image, tag)) return 'a pin keeps it';
  const told = await selections.ofTag(image, tag);
  for (const other of blocks().filter(({ name }) => name !== block.name)) {
    const its = told.find((one) => one.block === other.name);
    if (its && !its.gone) return `the block "${other.name}" selects it, too`;
    if (its && !letsGo(its.gone, other, now)) return `the block "${other.name}" keeps it`;
    if (its || !listed.includes(tag) || !(await mayYetSelect(selections, other, image, tag))) continue;
    return `the block "${other.name}" selects it, too, and has not looked at it yet`;
  }
  return undefined;
}

/** Whether a block that has not looked at the image yet selects the tag, as far as names tell. */
async function mayYetSelect(
  selections: SyncDeps['selections'],
  block: SyncBlock,
  image: string,
  tag: string,
): Promise<boolean> {
  if (!isOfSource(block.source, image)) return false;
  const hasLooked = (await selections.of(block.name, image)).length > 0;
  return !hasLooked && createTagSelection(block.tags).byName([tag]).length > 0;
}

function goneTag(tag: Tag, digest: Digest): PlannedTag & { readonly action: 'gone' } {
  return { tag, action: 'gone', digest, was: digest, bytes: null, reason: null, endpoint: null, until: null };
}

/** The tags of texts that are some. */
export function tagsOf(texts: readonly string[]): readonly Tag[] {
  return texts.flatMap((text) => parseTag(text) ?? []);
}
