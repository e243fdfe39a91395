/** The catalogue over the rows of SQLite. Each method does its statements in one turn, so no two calls mix. */

import type { Digest } from '../../oci/digest.ts';
import type { CachedTag, Found } from '../cache.ts';
import { type Catalogue, isHosted, type NewLink } from './catalogue.ts';
import type { IndexRows } from './index-rows.ts';
import { type EventRecorder, noEvents } from './outbox/event-recorder.ts';
import type { EventCause } from './outbox/outbox-event.ts';

const pinsKey = 'added-pins';

/** Rejects as the interface says. */
export function createSqliteCatalogue(rows: IndexRows, events: EventRecorder = noEvents): Catalogue {
  const pins = () => JSON.parse(rows.meta(pinsKey) ?? '[]') as readonly string[];
  const isHostedTag = (image: string, tag: string) => isHosted(rows.tag(image, tag)?.endpoint ?? '');
  const setPins = (patterns: readonly string[]) => rows.setMeta(pinsKey, JSON.stringify(patterns));

  return {
    tag: async (image, tag) => rows.tag(image, tag),
    tags: async (image) => rows.tags(image),
    hostedTags: async (image) => rows.hostedTags(image),
    importedTags: async (image) => rows.importedTags(image),
    async setTag(image, tag, value, now) {
      const durable = isHosted(value.endpoint);
      const known = rows.tag(image, tag);
      if (!durable && isHosted(known?.endpoint ?? '')) return;
      // By far the most frequent: one statement, and no transaction around it.
      if (!durable && known?.digest === value.digest && known.endpoint === value.endpoint) {
        rows.confirmTag(image, tag, value.checkedAt, now);
        return;
      }
      write(rows, durable, () => moveTag({ rows, events }, { image, tag, value, now }));
    },
    async dropTag(image, tag, at, now) {
      if (!isHostedTag(image, tag)) rows.transaction(() => rows.dropTag(image, tag, at, now));
    },
    async expireTag(image, tag) {
      const known = rows.tag(image, tag);
      if (!known || isHosted(known.endpoint)) return;
      rows.transaction(() => rows.setTag(image, tag, { ...known, checkedAt: 0 }, 0));
    },
    async removeTag(image, tag, deletion) {
      if (!rows.tag(image, tag)) return false;
      write(rows, isHostedTag(image, tag), () => {
        rows.dropTag(image, tag);
        if (deletion) events.record({ kind: 'delete', image, tag, cause: deletion.cause }, deletion.at);
      });
      return true;
    },

    link: async (digest, link, at) =>
      write(rows, isHosted(link.origin), () => writeLink({ rows, events }, digest, link, at)),
    async adopt(image, digest, at) {
      // In one turn: a link that is removed meanwhile must not come back.
      if (!rows.isLinked(image, digest)) return false;
      if (!isHosted(rows.originOf(image, digest) ?? '')) {
        rows.durably(() => rows.link(image, digest, 'push', at));
      }
      return true;
    },
    async find(image, digest): Promise<Found> {
      const served = rows.linkedContent(image, digest);
      if (served) return { content: served, linked: true, described: undefined };
      return {
        content: rows.content(digest),
        linked: rows.isLinked(image, digest),
        described: rows.descriptor(image, digest),
      };
    },
    originOf: async (image, digest) => rows.originOf(image, digest),
    linkedBy: async (image) => rows.linkedBy(image),
    imagesOf: async (digest) => rows.imagesOf(digest),
    namesOf: async (digests) => rows.namesOfAll(digests),
    referrersOf: async (...asked) => rows.referrersOf(...asked),
    parentsOf: async (image, digest) => rows.parentsOf(image, digest),
    children: async (digest) => rows.children(digest),

    list: async (image, kind, key) => rows.list(image, kind, key),
    setList: async (image, kind, key, value) => rows.setList(image, kind, key, value),
    dropList: async (image, kind, key) => rows.dropList(image, kind, key),

    pins: async () => pins(),
    pin: async (pattern) => rows.transaction(() => setPins([...new Set([...pins(), pattern])])),
    unpin: async (pattern) => rows.transaction(() => setPins(pins().filter((other) => other !== pattern))),
  };
}

/** A transaction; a durable one where the content is hosted. */
export function write<T>(rows: IndexRows, durable: boolean, work: () => T): T {
  return durable ? rows.durably(work) : rows.transaction(work);
}

/** The rows, and the events that are written with them. */
export interface Writer {
  readonly rows: IndexRows;
  readonly events: EventRecorder;
}

/** A link with its tags, and its events. */
export function writeLink(writer: Writer, digest: Digest, link: NewLink, at: number): void {
  const { rows, events } = writer;
  const { image, origin, mediaType, tags = [], cause } = link;
  rows.link(image, digest, origin, at, mediaType);
  const size = cause && events.wants('push', image) ? rows.content(digest)?.size : undefined;
  if (cause && size !== undefined) {
    const pushed = { kind: 'push', image, digest, mediaType: mediaType ?? '', size, cause } as const;
    if (tags.length === 0) events.record(pushed, at);
    for (const tag of tags) events.record({ ...pushed, tag }, at);
  }
  for (const tag of tags) {
    const value = { digest, endpoint: origin, checkedAt: at };
    moveTag(writer, { image, tag, value, cause });
  }
}

interface Move {
  readonly image: string;
  readonly tag: string;
  readonly value: CachedTag;
  readonly now?: number;
  readonly cause?: EventCause | undefined;
}

/** Sets the tag. That it has moved is an event. */
function moveTag({ rows, events }: Writer, { image, tag, value, now, cause }: Move): void {
  const isWanted = events.wants('tag', image);
  const previous = isWanted ? rows.tag(image, tag)?.digest : undefined;
  rows.setTag(image, tag, value, now);
  const { digest, checkedAt } = value;
  if (previous === undefined || previous === digest) return;
  // A value that is older than the known one has changed nothing.
  if (rows.tag(image, tag)?.digest !== digest) return;
  events.record({ kind: 'tag', image, tag, digest, previous, cause }, checkedAt);
}
