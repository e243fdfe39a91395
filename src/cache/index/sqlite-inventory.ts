/** The inventory over the rows of SQLite. Each write is one transaction and runs in one turn. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import type { StoredContent } from '../cache.ts';
import { descendants } from '../descendants.ts';
import type { NewLink } from './catalogue.ts';
import type { IndexStore } from './index-store.ts';
import type { Inventory, NewContent, Purged, PurgeTarget, Unlinked } from './inventory.ts';

export function createSqliteInventory(rows: IndexStore): Inventory {
  function add({ digest, size, manifest }: NewContent, links: readonly NewLink[], at: number): void {
    if (manifest) rows.addManifest(digest, size, manifest, at);
    else rows.addBlob(digest, size, at);
    for (const { image, origin, mediaType } of links) rows.link(image, digest, origin, at, mediaType);
  }

  function drop(digest: Digest): StoredContent | undefined {
    const content = rows.content(digest);
    rows.dropContent(digest);
    return content;
  }

  return {
    content: async (digest) => rows.content(digest),
    add: async (content, links, at) => rows.transaction(() => add(content, links, at)),
    lose: async (digest) =>
      rows.transaction(() => {
        const content = rows.content(digest);
        if (content) rows.loseContent(digest);
        return content;
      }),
    drop: async (digest) => rows.transaction(() => drop(digest)),
    purge: async (target) => rows.transaction(() => purge(rows, target)),
    totals: rows.totals,
    async within({ algorithm, first }, after, limit) {
      return rows.storedIn(algorithm, first, after, limit);
    },
    async forgetUnused(isStopped) {
      let forgotten = 0;
      while (!isStopped()) {
        const { removed, isDone } = rows.forgetSome();
        forgotten += removed;
        if (isDone) break;
        await turn();
      }
      return forgotten;
    },
  };
}

function purge(rows: IndexStore, target: PurgeTarget): Purged {
  const { image } = target;
  const going = chosenBy(rows, target);
  const tags = dropTags(rows, target, going);
  const unlinked: Unlinked[] = [];
  for (const digest of going) {
    const images = rows.imagesOf(digest);
    const size = rows.content(digest)?.size;
    rows.unlink(image, digest);
    const isGone = images.every((other) => other === image);
    if (isGone) rows.dropContent(digest);
    unlinked.push({ digest, size, images, isGone });
  }
  if (target.tag === undefined && target.digest === undefined) rows.dropLists(image);
  return { tags, unlinked };
}

/** What the image links on behalf of the target alone. */
function chosenBy(rows: IndexStore, { image, tag, digest }: PurgeTarget): Set<Digest> {
  const linked = rows.linkedBy(image);
  if (tag === undefined && digest === undefined) return new Set(linked);
  const named = digest ?? (tag === undefined ? undefined : rows.tag(image, tag)?.digest);
  if (named === undefined) return new Set();
  const otherTags = rows.tags(image).filter((name) => name !== tag && digest === undefined);
  if (otherTags.some((name) => rows.tag(image, name)?.digest === named)) return new Set();
  const going = descendants(rows, [named]);
  const isManifest = (other: Digest) => rows.content(other)?.mediaType !== undefined;
  const manifests = linked.filter((other) => !going.has(other) && isManifest(other));
  const staying = descendants(rows, manifests);
  return new Set(linked.filter((other) => going.has(other) && !staying.has(other)));
}

function dropTags(rows: IndexStore, target: PurgeTarget, going: ReadonlySet<Digest>): number {
  const { image } = target;
  const names = rows.tags(image).filter((name) => {
    const known = rows.tag(image, name)?.digest;
    return name === target.tag || (known !== undefined && going.has(known));
  });
  for (const name of names) rows.dropTag(image, name);
  return names.length;
}
