/**
 * The end of a run: the tags that may go are removed by name. Content goes later, when nothing names it any more and space is wanted.
 *
 *   the run is not done as a whole ........... nothing is removed
 *   more than `max_delete` allows ............ nothing is removed, until a person allows it for one run
 *   the block was changed meanwhile .......... nothing is removed
 *   an endpoint confirmed it meanwhile ....... it stays
 *   a pin or another block keeps it by now ... it stays
 */
import { isDeepStrictEqual } from 'node:util';
import type { SyncBlock } from '../../config/sync-config.ts';
import { parseTag, type Tag } from '../../oci/reference.ts';
import type { TagResult } from '../bring-tag.ts';
import type { SyncDeps } from '../sync-deps.ts';
import { mostOf } from './gone-tags.ts';
import { keeperOf } from './plan-gone.ts';

export interface RemovalOptions {
  /** Every repository was listed as a whole, and every selected tag is here. */
  readonly isGood: boolean;
  readonly allowsDelete: boolean;
  /** Epoch ms of the beginning of the run. */
  readonly since: number;
}

/** Why a run would remove nothing although `count` tags may go, in one sentence; undefined where it may. */
export async function removalLimit(
  { selections }: Pick<SyncDeps, 'selections'>,
  { name, removal }: SyncBlock,
  count: number,
): Promise<string | undefined> {
  if (!removal || count === 0) return undefined;
  const most = mostOf(removal, await selections.count(name));
  if (count <= most) return undefined;
  return `${count} tags would be removed, more than max_delete allows (${most}): nothing is removed; after a look at them, entrepot sync ${name} --allow-delete removes them`;
}

/** Results of the tags with the action `remove`, whose state is `left` until here. Rejects where the index cannot be written. */
export async function removeGone<
  Repository extends { readonly image: string; readonly tags: readonly TagResult[] },
>(
  deps: SyncDeps,
  block: SyncBlock,
  repositories: readonly Repository[],
  { isGood, allowsDelete, since }: RemovalOptions,
): Promise<{ readonly repositories: readonly Repository[]; readonly warning: string | null }> {
  const count = repositories.flatMap(({ tags }) => tags.filter(isGoing)).length;
  if (count === 0) return { repositories, warning: null };
  const held = isGood
    ? await heldBy(deps, block, { count, allowsDelete })
    : 'nothing is removed by a run that is not done as a whole';
  const done: Repository[] = [];
  for (const repository of repositories) {
    const tags: TagResult[] = [];
    for (const result of repository.tags) {
      tags.push(
        isGoing(result) && held === undefined
          ? await remove(deps, block, { image: repository.image, result, since })
          : result,
      );
    }
    done.push({ ...repository, tags });
  }
  return { repositories: done, warning: held ?? null };
}

async function heldBy(
  deps: SyncDeps,
  block: SyncBlock,
  { count, allowsDelete }: { readonly count: number; readonly allowsDelete: boolean },
): Promise<string | undefined> {
  if (!deps.blocks().some((one) => isDeepStrictEqual(one, block)))
    return 'nothing is removed, since entrepot.toml has changed the block while the run was under way';
  return allowsDelete ? undefined : await removalLimit(deps, block, count);
}

function isGoing({ action }: TagResult): boolean {
  return action === 'remove';
}

/** A run may last for hours: what the plan has looked at is looked at again. */
async function remove(
  deps: SyncDeps,
  block: SyncBlock,
  { image, result, since }: { readonly image: string; readonly result: TagResult; readonly since: number },
): Promise<TagResult> {
  const { cache, selections, replicas, clock } = deps;
  const tag: Tag | undefined = parseTag(result.tag);
  const here = tag && (await cache.tag(image, tag));
  if (!tag || (here && (here.digest !== result.digest || here.checkedAt >= since))) {
    return { ...result, reason: 'it came back while the run was under way' };
  }
  const keeper = await keeperOf(deps, block, { image, tag, listed: [], now: clock.now() });
  if (keeper !== undefined) return { ...result, reason: `it stays, since ${keeper}` };
  await cache.dropTag(image, tag);
  for (const { block: name } of await selections.ofTag(image, tag)) {
    await selections.change(name, image, { put: [], drop: [tag] });
  }
  await replicas.removed({ image, tag });
  return { ...result, state: 'done' };
}
