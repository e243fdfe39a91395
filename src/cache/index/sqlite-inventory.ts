/** The inventory over the rows of SQLite. Each write is one transaction and runs in one turn. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Digest } from '../../oci/digest.ts';
import type { StoredContent } from '../cache.ts';
import { type Deletion, isHosted, type NewLink } from './catalogue.ts';
import { type FactRecorder, noFacts } from './facts/fact-recorder.ts';
import type { IndexRows } from './index-rows.ts';
import type { Inventory, NewContent, PurgeCommand, Purged, Unlinked } from './inventory.ts';
import { type EventRecorder, noEvents } from './outbox/event-recorder.ts';
import { type Writer, write, writeLink } from './sqlite-catalogue.ts';
import { unlinkContent } from './unlink-content.ts';

/** Rejects as the interface says. */
export function createSqliteInventory(
  rows: IndexRows,
  events: EventRecorder = noEvents,
  facts: FactRecorder = noFacts,
): Inventory {
  const writer = { rows, events, facts };
  function add({ digest, size, manifest }: NewContent, links: readonly NewLink[], at: number): void {
    if (manifest) rows.addManifest(digest, size, manifest, at);
    else rows.addBlob(digest, size, at);
    for (const link of links) writeLink(writer, digest, link, at);
  }

  function drop(digest: Digest): StoredContent | undefined {
    const content = rows.content(digest);
    rows.dropContent(digest);
    return content;
  }

  function recordDeletion(image: string, digest: Digest, { cause, at }: Deletion): void {
    events.record({ kind: 'delete', image, digest, cause }, at);
  }

  return {
    content: async (digest) => rows.content(digest),
    async add(content, links, at) {
      const durable = links.some(({ origin }) => isHosted(origin));
      write(rows, durable, () => add(content, links, at));
    },
    lose: async (digest) =>
      rows.transaction(() => {
        const content = rows.content(digest);
        if (content) rows.loseContent(digest);
        return content;
      }),
    drop: async (digest) => rows.transaction(() => drop(digest)),
    unlink: async (image, digest, deletion) =>
      rows.durably(() => {
        const unlinked = unlink(writer, image, digest);
        if (unlinked && deletion) recordDeletion(image, digest, deletion);
        return unlinked;
      }),
    forget: async (digest) =>
      rows.transaction(() => {
        if (!rows.content(digest) && !rows.isHosted(digest)) rows.dropContent(digest);
      }),
    purge: async (command) => rows.transaction(() => purge(writer, command)),
    totals: rows.totals,
    hosted: rows.hosted,
    keptBytes: rows.keptBytes,
    isHosted: async (digest) => rows.isHosted(digest),
    lostHosted: async ({ algorithm, first }) => rows.lostHostedIn(algorithm, first),
    unlistedHosted: async (before, after) => rows.unlistedHosted(before, after),
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

function unlink({ rows, facts }: Writer, image: string, digest: Digest): Unlinked | undefined {
  if (!rows.isLinked(image, digest)) return undefined;
  for (const tag of rows.tags(image)) {
    if (rows.tag(image, tag)?.digest !== digest) continue;
    rows.dropTag(image, tag);
    facts.tagRemoved(image, tag);
  }
  facts.unlinked(image, digest);
  return unlinkContent(rows, image, digest);
}

function purge(writer: Writer, command: PurgeCommand): Purged {
  const { rows, facts } = writer;
  const { image, tag, digest: named, keep } = command;
  const going = chosenBy(rows, command);
  if (command.keepsHosted) for (const digest of descendants(rows, rows.hostedBy(image))) going.delete(digest);
  const names = tagsOf(rows, command, going);
  recordPurge(writer, command, { going, names });
  for (const name of names) {
    rows.dropTag(image, name);
    facts.tagRemoved(image, name);
  }
  const unlinked: Unlinked[] = [];
  for (const digest of going) {
    facts.unlinked(image, digest);
    unlinked.push(unlinkContent(rows, image, digest));
  }
  if (tag === undefined && named === undefined && !keep && !command.keepsHosted) {
    for (const list of rows.listNames(image)) facts.listDropped(image, list.kind, list.key);
    rows.dropLists(image);
  }
  return { tags: names.length, unlinked };
}

/** What the image links for the named manifests alone. */
function chosenBy(rows: IndexRows, { image, tag, digest, keep }: PurgeCommand): Set<Digest> {
  const linked = rows.linkedBy(image);
  if (tag === undefined && digest === undefined) {
    const staying = descendants(rows, keep?.digests ?? []);
    return new Set(linked.filter((one) => !staying.has(one)));
  }
  const named = digest ?? (tag === undefined ? undefined : rows.tag(image, tag)?.digest);
  if (named === undefined) return new Set();
  const otherTags = rows.tags(image).filter((name) => name !== tag && digest === undefined);
  if (otherTags.some((name) => rows.tag(image, name)?.digest === named)) return new Set();
  const going = descendants(rows, [named]);
  // One whose file is lost, or away in a bucket, has no type any more.
  const isManifest = (other: Digest) =>
    rows.content(other)?.mediaType !== undefined || rows.children(other).length > 0;
  const manifests = linked.filter((other) => !going.has(other) && isManifest(other));
  const staying = descendants(rows, manifests);
  return new Set(linked.filter((other) => going.has(other) && !staying.has(other)));
}

/** The tags that a purge takes. */
function tagsOf(rows: IndexRows, command: PurgeCommand, going: ReadonlySet<Digest>): readonly string[] {
  const { image, tag, digest, keep } = command;
  return rows.tags(image).filter((name) => {
    const known = rows.tag(image, name);
    if (command.keepsHosted && isHosted(known?.endpoint ?? '')) return false;
    if (keep) return !keep.tags.includes(name);
    if (tag === undefined && digest === undefined) return true;
    return name === tag || (known !== undefined && going.has(known.digest));
  });
}

/** Of what is hosted: a manifest goes with its tags, as by the request of a client; a tag alone where its manifest stays. */
function recordPurge(
  { rows, events }: Writer,
  { image, deletion }: PurgeCommand,
  { going, names }: { readonly going: ReadonlySet<Digest>; readonly names: readonly string[] },
): void {
  if (!deletion || !events.wants('delete', image)) return;
  const { cause, at } = deletion;
  const told = new Set<Digest>();
  for (const digest of going) {
    if (!isHosted(rows.originOf(image, digest) ?? '') || !rows.content(digest)?.mediaType) continue;
    told.add(digest);
    events.record({ kind: 'delete', image, digest, cause }, at);
  }
  for (const name of names) {
    const tag = rows.tag(image, name);
    if (!tag || !isHosted(tag.endpoint) || told.has(tag.digest)) continue;
    events.record({ kind: 'delete', image, tag: name, cause }, at);
  }
}

function descendants(rows: IndexRows, roots: readonly Digest[]): Set<Digest> {
  const found = new Set(roots);
  for (const digest of found) for (const child of rows.children(digest)) found.add(child.digest);
  return found;
}
