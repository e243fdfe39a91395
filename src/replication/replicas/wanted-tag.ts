/**
 * Whether a block wants one tag, without the list of all tags of its repository: an event names one, and a list may be long.
 *
 *   by its name ............ include, exclude, regex and semver, as ever; a block with digests wants no tag
 *   a tag of a signature ... wanted where the manifest that it belongs to is here, and the block takes referrers. A tag has only the
 *                            beginning of a sha512 digest: then it is compared with the manifests of the tags that the block has here
 *   newest, newer_than ..... the same selection over the tags that the block has here and this one
 *
 * The last is the answer of a run, as long as the block is complete here. Where it is not, it may take one more tag; the next run, which
 * has the list, decides again.
 */
import { attachedTags, isAttached, subjectOf } from '../../oci/attached-tags.ts';
import { closureOf } from '../closure.ts';
import { creationTime } from '../creation-time.ts';
import type { PlannedTag, RepositoryWork } from '../planned-tag.ts';
import type { SyncDeps } from '../sync-deps.ts';
import { createTagSelection } from '../tag-selection.ts';

/** Asks no registry. */
export async function isNamed(
  deps: SyncDeps,
  { block, image }: Pick<RepositoryWork, 'block' | 'image'>,
  tag: string,
): Promise<boolean> {
  const selectsTags = block.digests.length === 0;
  if (selectsTags && createTagSelection(block.tags).byName([tag]).length > 0) return true;
  if (block.referrers === 'none' || !isAttached(tag)) return false;
  const subject = subjectOf(tag);
  if (subject !== undefined) return await deps.admin.serves(image.name, subject);
  for (const { sync, here: root } of await deps.replicas.ofImage(image.name)) {
    if (sync !== block.name || root === undefined) continue;
    const { manifests } = await closureOf(deps.admin, image.name, { root, platforms: block.platforms });
    if (attachedTags([tag], manifests).length > 0) return true;
  }
  return false;
}

/** Of a tag that `isNamed`. `plan`: what its registry says; its time of creation, where that decides, costs two small GETs. */
export async function isAmongNewest(
  deps: SyncDeps,
  { block, image }: RepositoryWork,
  { tag, digest, was }: PlannedTag,
): Promise<boolean> {
  const { newest, newerThan } = block.tags;
  if ((newest === undefined && newerThan === undefined) || isAttached(tag)) return true;
  const rows = await deps.replicas.ofImage(image.name);
  const here = rows.filter((row) => row.sync === block.name && row.tag !== '' && !isAttached(row.tag));
  if (was !== null && here.some((row) => row.tag === tag)) return true;
  const selection = createTagSelection(block.tags);
  const digests = new Map([
    ...here.flatMap((row) => (row.here ? [[row.tag, row.here] as const] : [])),
    ...(digest ? [[tag, digest] as const] : []),
  ]);
  const created = new Map<string, number>();
  for (const [one, root] of selection.needsTimes ? digests : []) {
    const time = await creationTime(deps.pull, image, root);
    if (time !== undefined) created.set(one, time);
  }
  const candidates = [...new Set([...here.map((row) => row.tag), tag])];
  return selection.byTime(candidates, created, deps.clock.now()).includes(tag);
}
