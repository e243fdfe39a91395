/**
 * Five seams of the index over plain maps: it looks at everything each time. It proves that the contract suites are about the
 * seams, and serves tests that need no file.
 */
import type { CachedList, CachedTag, Found, KnownDescriptor } from '../../src/cache/cache.ts';
import { type Catalogue, type Child, isHosted, type NewLink } from '../../src/cache/index/catalogue.ts';
import type { Candidate, EvictionOrder, Position, Root } from '../../src/cache/index/eviction-order.ts';
import type { Inventory, NewContent, PurgeCommand, Unlinked } from '../../src/cache/index/inventory.ts';
import type { Selection, Selections } from '../../src/cache/index/selections/selections.ts';
import { type Digest, digestAlgorithm, digestHex } from '../../src/oci/digest.ts';
import type { Descriptor, Manifest } from '../../src/oci/manifest.ts';

interface Row {
  size: number | undefined;
  mediaType: string | undefined;
  used: number;
  isPinned: boolean;
  subject?: Digest | undefined;
  children: readonly Descriptor[];
}

const longTime = 1e12;

class MemoryIndex {
  readonly rows = new Map<Digest, Row>();
  readonly links = new Map<string, Map<Digest, NewLink>>();
  readonly tags = new Map<string, Map<string, CachedTag>>();
  readonly lists = new Map<string, CachedList>();
  pins: readonly string[] = [];
  patterns = '';
  selections: { block: string; image: string; selection: Selection }[] = [];

  row(digest: Digest, used: number): Row {
    const row = this.rows.get(digest) ?? {
      ...{ size: undefined, mediaType: undefined, isPinned: false, children: [] },
      used,
    };
    this.rows.set(digest, row);
    return row;
  }

  parents(digest: Digest): Digest[] {
    return [...this.rows].filter(([, row]) => row.children.some((c) => c.digest === digest)).map(([d]) => d);
  }

  imagesOf(digest: Digest): string[] {
    return [...this.links].filter(([, its]) => its.has(digest)).map(([image]) => image);
  }

  isHosted(digest: Digest): boolean {
    return [...this.links.values()].some((its) => isHosted(its.get(digest)?.origin ?? ''));
  }

  tagsOf(digest: Digest): [image: string, tag: string][] {
    const all = [...this.tags].flatMap(([image, its]) => [...its].map(([tag, to]) => ({ image, tag, to })));
    return all.filter(({ to }) => to.digest === digest).map(({ image, tag }) => [image, tag]);
  }

  /** Blocks that select the content, one of its tags, or what it is attached to. */
  selectedBy(digest: Digest): string[] {
    const subjectsOf = (one: Digest) => this.rows.get(one)?.subject ?? [];
    const above = new Set([digest].flatMap(subjectsOf));
    for (const one of above)
      for (const up of [...this.parents(one), ...[one].flatMap(subjectsOf)]) above.add(up);
    const tags = this.tagsOf(digest);
    const isOf = (image: string, one: Selection) =>
      one.digest === digest ||
      above.has(one.digest) ||
      tags.some(([name, tag]) => name === image && tag === one.tag);
    const found = this.selections.filter(({ image, selection }) => isOf(image, selection));
    return [...new Set(found.map(({ block }) => block))].toSorted();
  }

  unpinAll(): void {
    for (const row of this.rows.values()) row.isPinned = false;
  }

  content(digest: Digest) {
    const { size, mediaType } = this.rows.get(digest) ?? {};
    return size === undefined ? undefined : { digest, size, mediaType };
  }

  isNewer(image: string, tag: string, at: number, now: number): boolean {
    const known = this.tags.get(image)?.get(tag)?.checkedAt ?? -1;
    return known > at && known <= now;
  }

  dropTag(image: string, tag: string): void {
    const digest = this.tags.get(image)?.get(tag)?.digest;
    this.tags.get(image)?.delete(tag);
    if (digest) this.row(digest, 0).isPinned = false;
  }

  dropNames(digest: Digest): void {
    for (const [image, tag] of this.tagsOf(digest)) this.tags.get(image)?.delete(tag);
    for (const its of this.links.values()) its.delete(digest);
  }

  drop(digest: Digest): void {
    const row = this.rows.get(digest);
    if (!row) return;
    const { children } = row;
    Object.assign(row, { children: [], size: undefined, mediaType: undefined });
    if (this.parents(digest).length === 0) {
      this.rows.delete(digest);
      this.dropNames(digest);
    } else {
      for (const [image, tag] of this.tagsOf(digest)) this.tags.get(image)?.delete(tag);
    }
    for (const child of children) {
      const isKept = this.parents(child.digest).length > 0 || this.imagesOf(child.digest).length > 0;
      if (isKept || this.content(child.digest)) continue;
      this.rows.delete(child.digest);
      this.dropNames(child.digest);
    }
  }

  below(roots: readonly Digest[]): Set<Digest> {
    const all = new Set(roots);
    for (const digest of all)
      for (const child of this.rows.get(digest)?.children ?? []) all.add(child.digest);
    return all;
  }
}

function catalogueOf(index: MemoryIndex): Catalogue {
  const mapOf = <V>(maps: Map<string, Map<string, V>>, image: string) =>
    maps.get(image) ?? maps.set(image, new Map()).get(image)!;
  const listKey = (...parts: string[]) => parts.join(' ');

  function described(image: string, digest: Digest): KnownDescriptor | undefined {
    for (const [parent, link] of index.links.get(image) ?? []) {
      const children = index.rows.get(parent)?.children ?? [];
      const child = children.find((one) => one.digest === digest);
      if (!child) continue;
      const { size, mediaType, isElsewhere = false } = child;
      const imageBytes = children.reduce((sum, one) => sum + one.size, 0);
      return { size, mediaType, endpoint: link.origin, isElsewhere, imageBytes };
    }
    return undefined;
  }

  return {
    tag: async (image, tag) => index.tags.get(image)?.get(tag),
    tags: async (image) =>
      [...(index.tags.get(image)?.keys() ?? [])].toSorted((a, b) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      ),
    hostedTags: async (image) =>
      [...(index.tags.get(image) ?? [])]
        .filter(([, { endpoint }]) => isHosted(endpoint))
        .map(([tag]) => tag)
        .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    importedTags: async (image) =>
      [...(index.tags.get(image) ?? [])]
        .filter(([, { endpoint }]) => endpoint === 'bundle')
        .map(([tag]) => tag)
        .toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    async setTag(image, tag, value, now) {
      const isOurs = isHosted(index.tags.get(image)?.get(tag)?.endpoint ?? '');
      if (isOurs && !isHosted(value.endpoint)) return;
      if (index.isNewer(image, tag, value.checkedAt, now)) return;
      index.dropTag(image, tag);
      index.row(value.digest, value.checkedAt);
      mapOf(index.tags, image).set(tag, value);
    },
    async dropTag(image, tag, at, now) {
      const isOurs = isHosted(index.tags.get(image)?.get(tag)?.endpoint ?? '');
      if (!isOurs && !index.isNewer(image, tag, at, now)) index.dropTag(image, tag);
    },
    async expireTag(image, tag) {
      const known = index.tags.get(image)?.get(tag);
      if (known && !isHosted(known.endpoint)) index.tags.get(image)?.set(tag, { ...known, checkedAt: 0 });
    },
    async removeTag(image, tag) {
      const isThere = index.tags.get(image)?.has(tag) ?? false;
      if (isThere) index.dropTag(image, tag);
      return isThere;
    },
    async link(digest, link, at) {
      index.row(digest, at);
      const { tags = [], ...rest } = link;
      const its = mapOf(index.links, link.image) as Map<Digest, NewLink>;
      const known = its.get(digest);
      const origin = known && isHosted(known.origin) ? known.origin : rest.origin;
      its.set(digest, { ...known, ...rest, origin });
      for (const tag of tags) {
        index.dropTag(link.image, tag);
        mapOf(index.tags, link.image).set(tag, { digest, endpoint: rest.origin, checkedAt: at });
      }
    },
    async adopt(image, digest) {
      const link = index.links.get(image)?.get(digest);
      if (!link) return false;
      if (!isHosted(link.origin)) index.links.get(image)?.set(digest, { ...link, origin: 'push' });
      return true;
    },
    async find(image, digest): Promise<Found> {
      const link = index.links.get(image)?.get(digest);
      const content = index.content(digest);
      const isServed = link !== undefined && content !== undefined;
      const mediaType = content?.mediaType && (link?.mediaType ?? content.mediaType);
      return {
        content: content && { ...content, mediaType },
        linked: link !== undefined,
        described: isServed ? undefined : described(image, digest),
      };
    },
    originOf: async (image, digest) => index.links.get(image)?.get(digest)?.origin,
    linkedBy: async (image) => [...(index.links.get(image)?.keys() ?? [])],
    imagesOf: async (digest) => index.imagesOf(digest),
    namesOf: async (digests) =>
      digests.map((digest) => ({
        images: index.imagesOf(digest),
        tags: index.tagsOf(digest).map((name) => name.join(':')),
        selectedBy: index.selectedBy(digest),
      })),
    async referrersOf(image, subject, after, limit) {
      const linked = [...(index.links.get(image)?.keys() ?? [])];
      const all = linked.filter((one) => index.content(one) && index.rows.get(one)?.subject === subject);
      const from = after === undefined ? 0 : all.indexOf(after) + 1;
      return all.slice(from, from + limit);
    },
    parentsOf: async (image, digest) =>
      index.parents(digest).filter((one) => index.content(one) && index.links.get(image)?.has(one)),
    async children(digest) {
      const children = new Map<Digest, Child>();
      for (const { platform, isElsewhere: _, attests: _a, artifactType: _t, ...child } of index.rows.get(
        digest,
      )?.children ?? [])
        children.set(child.digest, { ...child, platform, stored: index.content(child.digest) !== undefined });
      return [...children.values()];
    },
    list: async (image, kind, key) => index.lists.get(listKey(image, kind, key)),
    setList: async (image, kind, key, value) => void index.lists.set(listKey(image, kind, key), value),
    dropList: async (image, kind, key) => void index.lists.delete(listKey(image, kind, key)),
    pins: async () => index.pins,
    async pin(pattern) {
      index.pins = [...new Set([...index.pins, pattern])];
    },
    async unpin(pattern) {
      index.pins = index.pins.filter((other) => other !== pattern);
    },
  };
}

function inventoryOf(index: MemoryIndex, catalogue: Catalogue): Inventory {
  function store({ digest, size, manifest }: NewContent, at: number): void {
    const row = index.row(digest, at);
    Object.assign(row, { size, used: Math.max(row.used, at) });
    if (!manifest) return;
    row.mediaType ??= manifest.mediaType;
    row.subject = manifest.subject;
    if (row.children.length === 0) row.children = (manifest as Manifest).children;
    for (const child of row.children) index.row(child.digest, at);
  }

  function chosen({ image, tag, digest, keep }: PurgeCommand): Digest[] {
    const linked = [...(index.links.get(image)?.keys() ?? [])];
    const kept = index.below(keep?.digests ?? []);
    if (!tag && !digest) return linked.filter((d) => !kept.has(d));
    const named = digest ?? index.tags.get(image)?.get(tag!)?.digest;
    const others = named ? index.tagsOf(named).filter(([i, name]) => i === image && name !== tag) : [];
    if (!named || (tag && others.length > 0)) return [];
    const going = index.below([named]);
    const staying = index.below(linked.filter((d) => !going.has(d) && index.content(d)?.mediaType));
    return linked.filter((d) => going.has(d) && !staying.has(d));
  }

  function hosted() {
    const all = [...index.rows.keys()].filter((digest) => index.isHosted(digest) && index.content(digest));
    const bytes = all.reduce((sum, one) => sum + (index.content(one)?.size ?? 0), 0);
    return { bytes, contents: all.length };
  }

  return {
    content: async (digest) => index.content(digest),
    async add(content, links, at) {
      store(content, at);
      for (const link of links) await catalogue.link(content.digest, link, at);
    },
    async lose(digest) {
      const content = index.content(digest);
      if (content) Object.assign(index.row(digest, 0), { size: undefined, mediaType: undefined });
      return content;
    },
    async drop(digest) {
      const content = index.content(digest);
      index.drop(digest);
      return content;
    },
    async unlink(image, digest) {
      const images = index.imagesOf(digest);
      if (!images.includes(image)) return undefined;
      for (const [name, tag] of index.tagsOf(digest)) if (name === image) index.dropTag(image, tag);
      const size = index.content(digest)?.size;
      index.links.get(image)?.delete(digest);
      const isGone = images.length === 1;
      if (isGone) index.drop(digest);
      return { digest, size, images, isGone };
    },
    hosted,
    keptBytes: () => hosted().bytes,
    isHosted: async (digest) => index.isHosted(digest),
    async lostHosted({ algorithm, first }) {
      const prefix = first.toString(16).padStart(2, '0');
      const isIn = (one: Digest) => digestAlgorithm(one) === algorithm && digestHex(one).startsWith(prefix);
      const isManifest = (one: Digest) =>
        [...index.links.values()].some((its) => its.get(one)?.mediaType !== undefined);
      return [...index.rows.keys()]
        .filter((one) => isIn(one) && index.isHosted(one) && !index.content(one))
        .map((digest) => ({ digest, isManifest: isManifest(digest) }));
    },
    async unlistedHosted(before) {
      const blobs = [...index.links].flatMap(([image, its]) => {
        const isLost = [...its].some(([one, link]) => link.mediaType !== undefined && !index.content(one));
        if (isLost) return [];
        return [...its]
          .filter(([one, { origin }]) => {
            const content = index.content(one);
            const isBlob = content !== undefined && content.mediaType === undefined;
            const isOld = (index.rows.get(one)?.used ?? 0) < before;
            return isHosted(origin) && isBlob && isOld && !index.parents(one).some((other) => its.has(other));
          })
          .map(([digest]) => ({ image, digest }));
      });
      return { blobs, next: undefined };
    },
    async forget(digest) {
      if (!index.content(digest) && !index.isHosted(digest)) index.drop(digest);
    },
    async purge(command) {
      const { image, tag, digest, keep } = command;
      const hosted = [...(index.links.get(image) ?? [])].filter(([, { origin }]) => isHosted(origin));
      const staying = index.below(command.keepsHosted ? hosted.map(([one]) => one) : []);
      const going = chosen(command).filter((one) => !staying.has(one));
      const isGoing = ([name, to]: [string, CachedTag]) =>
        !(command.keepsHosted && isHosted(to.endpoint)) &&
        (keep ? !keep.tags.includes(name) : (!tag && !digest) || name === tag || going.includes(to.digest));
      const tags = [...(index.tags.get(image) ?? [])].filter(isGoing);
      for (const [name] of tags) index.dropTag(image, name);
      const unlinked: Unlinked[] = [];
      for (const one of going) {
        const images = index.imagesOf(one);
        const size = index.content(one)?.size;
        index.links.get(image)?.delete(one);
        if (images.length === 1) index.drop(one);
        unlinked.push({ digest: one, size, images, isGone: images.length === 1 });
      }
      for (const key of index.lists.keys()) {
        if (!tag && !digest && !keep && !command.keepsHosted && key.startsWith(`${image} `))
          index.lists.delete(key);
      }
      return { tags: tags.length, unlinked };
    },
    totals() {
      const stored = [...index.rows.values()].filter(({ size }) => size !== undefined);
      return {
        bytes: stored.reduce((sum, { size = 0 }) => sum + size, 0),
        contents: stored.length,
        manifests: stored.filter(({ mediaType }) => mediaType !== undefined).length,
      };
    },
    async within({ algorithm, first }, after, limit) {
      const prefix = first.toString(16).padStart(2, '0');
      const isIn = (one: Digest) => digestAlgorithm(one) === algorithm && digestHex(one).startsWith(prefix);
      const all = [...index.rows.keys()].filter((one) => isIn(one) && (!after || one > after)).toSorted();
      return all
        .map((one) => index.content(one))
        .filter((one) => one !== undefined)
        .slice(0, limit);
    },
    forgetUnused: async () => 0,
  };
}

function orderOf(index: MemoryIndex): EvictionOrder {
  const rootsOf = () =>
    [...index.rows].filter(
      ([digest, row]) => !row.isPinned && !index.isHosted(digest) && index.parents(digest).length === 0,
    );
  const positionOf = (digest: Digest, used: number) =>
    `${String(used).padStart(16, '0')} ${digest}` as Position;

  function candidate(digest: Digest): Candidate {
    const { size, used = 0, children = [] } = index.rows.get(digest) ?? {};
    const stored = children.map((child) => child.digest).filter((child) => index.content(child));
    return { digest, size, used, parents: index.parents(digest).length, children: [...new Set(stored)] };
  }

  return {
    async touch(uses, now) {
      for (const [digest, used] of uses) {
        const row = index.rows.get(digest);
        if (row && (row.used < used || row.used > now)) row.used = used;
      }
    },
    async ageFutureUses(now) {
      for (const [, row] of rootsOf()) if (row.used > now) row.used = Math.max(0, row.used - longTime);
    },
    async oldest(after, limit) {
      const all = rootsOf().map(([digest, { used }]): Root => {
        return { ...candidate(digest), position: positionOf(digest, used) };
      });
      const rest = all
        .filter(({ position }) => after === undefined || position > after)
        .toSorted((a, b) => (a.position < b.position ? -1 : 1));
      const roots = rest.slice(0, limit);
      const known = new Set(roots.map(({ digest }) => digest));
      const below = [...index.below([...known])].filter((one) => !known.has(one) && index.content(one));
      return { roots, below: below.map(candidate), isLast: rest.length < limit };
    },
    async evict(chosen) {
      const isFree = ([digest, used]: (typeof chosen)[number]) => {
        const row = index.rows.get(digest);
        return row !== undefined && !row.isPinned && !index.isHosted(digest) && row.used <= used;
      };
      const left = new Set(chosen.filter(isFree).map(([digest]) => digest));
      const gone: Digest[] = [];
      for (let isMoving = true; isMoving; ) {
        isMoving = false;
        for (const digest of left) {
          if (index.parents(digest).length > 0) continue;
          index.drop(digest);
          left.delete(digest);
          gone.push(digest);
          isMoving = true;
        }
      }
      return gone;
    },
    async pin(digests) {
      for (const digest of digests) index.row(digest, 0).isPinned = true;
    },
    async pinsAre(patterns) {
      if (index.patterns === JSON.stringify(patterns)) return;
      index.patterns = JSON.stringify(patterns);
      index.unpinAll();
    },
  };
}

function selectionsOf(index: MemoryIndex): Selections {
  const of = (block: string, image: string) =>
    index.selections.filter((one) => one.block === block && one.image === image);
  const sorted = <T extends { tag: string }>(all: T[]) => all.toSorted((a, b) => (a.tag < b.tag ? -1 : 1));

  return {
    of: async (block, image) => sorted(of(block, image).map(({ selection }) => selection)),
    images: async (block) =>
      [
        ...new Set(index.selections.filter((one) => one.block === block).map(({ image }) => image)),
      ].toSorted(),
    ofTag: async (image, tag) =>
      index.selections
        .filter((one) => one.image === image && one.selection.tag === tag)
        .map(({ block, selection }) => ({ ...selection, block }))
        .toSorted((a, b) => (a.block < b.block ? -1 : 1)),
    count: async (block) => index.selections.filter((one) => one.block === block).length,
    async change(block, image, { put, drop }) {
      const going = new Set([...drop, ...put.map(({ tag }) => tag)]);
      const gone = of(block, image).filter(({ selection }) => going.has(selection.tag));
      const isPut = ({ selection: { tag, digest } }: (typeof gone)[number]) =>
        put.some((one) => one.tag === tag && one.digest === digest);
      if (!gone.every(isPut)) index.unpinAll();
      index.selections = index.selections.filter((one) => !gone.includes(one));
      index.selections.push(...put.map((selection) => ({ block, image, selection })));
    },
    async keepOnly(blocks) {
      const kept = index.selections.filter(({ block }) => blocks.includes(block));
      if (kept.length < index.selections.length) index.unpinAll();
      index.selections = kept;
    },
  };
}

/** An empty index. Its listing is not there: people look at the real one. */
export function createMemoryIndex() {
  const index = new MemoryIndex();
  const catalogue = catalogueOf(index);
  return {
    catalogue,
    inventory: inventoryOf(index, catalogue),
    order: orderOf(index),
    selections: selectionsOf(index),
  };
}
