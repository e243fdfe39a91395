/** The catalogue over the rows of SQLite. Each method does its statements in one turn, so no two calls mix. */

import type { Digest } from '../../oci/digest.ts';
import type { CachedTag, Found, KnownDescriptor } from '../cache.ts';
import { type Catalogue, isHosted, type NewLink } from './catalogue.ts';
import { type FactRecorder, noFacts } from './facts/fact-recorder.ts';
import type { IndexRows } from './index-rows.ts';
import { type EventRecorder, noEvents } from './outbox/event-recorder.ts';
import type { EventCause } from './outbox/outbox-event.ts';

const pinsKey = 'added-pins';

/** Rejects as the interface says. */
export function createSqliteCatalogue(
  rows: IndexRows,
  events: EventRecorder = noEvents,
  facts: FactRecorder = noFacts,
): Catalogue {
  const writer = { rows, events, facts };
  const pins = () => JSON.parse(rows.meta(pinsKey) ?? '[]') as readonly string[];
  const isHostedTag = (image: string, tag: string) => isHosted(rows.tag(image, tag)?.endpoint ?? '');
  const setPins = (patterns: readonly string[]) => rows.setMeta(pinsKey, JSON.stringify(patterns));

  function confirmTag(image: string, tag: string, checkedAt: number, now: number): void {
    const told = facts.tagging(image, tag);
    rows.confirmTag(image, tag, checkedAt, now);
    told.after();
  }

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
        if (facts === noFacts) rows.confirmTag(image, tag, value.checkedAt, now);
        else rows.transaction(() => confirmTag(image, tag, value.checkedAt, now));
        return;
      }
      write(rows, durable, () => moveTag(writer, { image, tag, value, now }));
    },
    async dropTag(image, tag, at, now) {
      if (isHostedTag(image, tag)) return;
      rows.transaction(() => {
        const isThere = rows.tag(image, tag) !== undefined;
        rows.dropTag(image, tag, at, now);
        if (isThere) facts.tagDropped(image, tag);
      });
    },
    async expireTag(image, tag) {
      const known = rows.tag(image, tag);
      if (!known || isHosted(known.endpoint)) return;
      rows.transaction(() => {
        const told = facts.tagging(image, tag);
        rows.setTag(image, tag, { ...known, checkedAt: 0 }, 0);
        told.after();
      });
    },
    async removeTag(image, tag, deletion) {
      if (!rows.tag(image, tag)) return false;
      write(rows, isHostedTag(image, tag), () => {
        rows.dropTag(image, tag);
        facts.tagRemoved(image, tag);
        if (deletion) events.record({ kind: 'delete', image, tag, cause: deletion.cause }, deletion.at);
      });
      return true;
    },

    link: async (digest, link, at) =>
      write(rows, isHosted(link.origin), () => writeLink(writer, digest, link, at)),
    async adopt(image, digest, at) {
      // In one turn: a link that is removed meanwhile must not come back.
      if (!rows.isLinked(image, digest)) return false;
      if (isHosted(rows.originOf(image, digest) ?? ''))
        rows.transaction(() => facts.linking(image, digest, 'push').after());
      else rows.durably(() => linkAlone(writer, digest, { image, origin: 'push' }, at));
      return true;
    },
    async find(image, digest): Promise<Found> {
      const served = rows.linkedContent(image, digest);
      if (served) return { content: served, linked: true, described: undefined };
      return {
        content: rows.content(digest),
        linked: rows.isLinked(image, digest),
        described: rows.descriptor(image, digest) ?? describedByFact(rows, image, digest),
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
    setList: async (image, kind, key, value) =>
      rows.transaction(() => {
        facts.listed(image, kind, key, value);
        rows.setList(image, kind, key, value);
      }),
    dropList: async (image, kind, key) =>
      rows.transaction(() => {
        rows.dropList(image, kind, key);
        facts.listDropped(image, kind, key);
      }),

    pins: async () => pins(),
    pin: async (pattern) =>
      rows.transaction(() => {
        setPins([...new Set([...pins(), pattern])]);
        facts.pinned(pattern, true);
      }),
    unpin: async (pattern) =>
      rows.transaction(() => {
        setPins(pins().filter((other) => other !== pattern));
        facts.pinned(pattern, false);
      }),
  };
}

/** A transaction; a durable one where the content is hosted. */
export function write<T>(rows: IndexRows, durable: boolean, work: () => T): T {
  return durable ? rows.durably(work) : rows.transaction(work);
}

/** A hosted content that is not here, as another replica told of it. */
function describedByFact(rows: IndexRows, image: string, digest: Digest): KnownDescriptor | undefined {
  const link = rows.linkRow(image, digest);
  if (link?.sharedSize === undefined) return undefined;
  const { sharedSize: size, mediaType = octets, origin: endpoint } = link;
  return { size, mediaType, endpoint, isElsewhere: false, imageBytes: size };
}

/** Of a blob whose manifests are not here. */
const octets = 'application/octet-stream';

/** The rows, and the events and facts that are written with them. */
export interface Writer {
  readonly rows: IndexRows;
  readonly events: EventRecorder;
  readonly facts: FactRecorder;
}

/** The link without its tags. */
function linkAlone({ rows, facts }: Writer, digest: Digest, link: NewLink, at: number): void {
  const { image, origin, mediaType } = link;
  const told = facts.linking(image, digest, origin);
  rows.link(image, digest, origin, at, mediaType);
  told.after();
}

/** A link with its tags, and its events. */
export function writeLink(writer: Writer, digest: Digest, link: NewLink, at: number): void {
  const { rows, events } = writer;
  const { image, origin, mediaType, tags = [], cause } = link;
  linkAlone(writer, digest, link, at);
  const size = cause && events.wants('push', image) ? rows.content(digest)?.size : undefined;
  if (cause && size !== undefined) {
    const pushed = { kind: 'push', image, digest, mediaType: mediaType ?? '', size, cause } as const;
    if (tags.length === 0) events.record(pushed, at);
    for (const tag of tags) events.record({ ...pushed, tag }, at);
  }
  for (const tag of tags) {
    const value = { digest, endpoint: origin, checkedAt: at };
    // What a client says counts now: a known time after it is of a clock that was ahead.
    moveTag(writer, { image, tag, value, now: at, cause });
  }
}

interface Move {
  readonly image: string;
  readonly tag: string;
  readonly value: CachedTag;
  readonly now: number;
  readonly cause?: EventCause | undefined;
}

/** Sets the tag. That it has moved is an event. */
function moveTag({ rows, events, facts }: Writer, { image, tag, value, now, cause }: Move): void {
  const isWanted = events.wants('tag', image);
  const previous = isWanted ? rows.tag(image, tag)?.digest : undefined;
  const told = facts.tagging(image, tag);
  rows.setTag(image, tag, value, now);
  told.after();
  const { digest, checkedAt } = value;
  if (previous === undefined || previous === digest) return;
  // A value that is older than the known one has changed nothing.
  if (rows.tag(image, tag)?.digest !== digest) return;
  events.record({ kind: 'tag', image, tag, digest, previous, cause }, checkedAt);
}
