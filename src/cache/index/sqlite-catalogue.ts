/** The catalogue over the rows of SQLite. Each method does its statements in one turn, so no two calls mix. */

import type { Digest } from '../../oci/digest.ts';
import type { Found } from '../cache.ts';
import { type Catalogue, isHosted, type NewLink } from './catalogue.ts';
import type { IndexRows } from './index-rows.ts';

const pinsKey = 'added-pins';

/** Rejects as the interface says. */
export function createSqliteCatalogue(rows: IndexRows): Catalogue {
  const pins = () => JSON.parse(rows.meta(pinsKey) ?? '[]') as readonly string[];
  const isHostedTag = (image: string, tag: string) => isHosted(rows.tag(image, tag)?.endpoint ?? '');
  const setPins = (patterns: readonly string[]) => rows.setMeta(pinsKey, JSON.stringify(patterns));

  return {
    tag: async (image, tag) => rows.tag(image, tag),
    tags: async (image) => rows.tags(image),
    hostedTags: async (image) => rows.hostedTags(image),
    async setTag(image, tag, value, now) {
      const durable = isHosted(value.endpoint);
      if (!durable && isHostedTag(image, tag)) return;
      write(rows, durable, () => rows.setTag(image, tag, value, now));
    },
    async dropTag(image, tag, at, now) {
      if (!isHostedTag(image, tag)) rows.transaction(() => rows.dropTag(image, tag, at, now));
    },
    async expireTag(image, tag) {
      const known = rows.tag(image, tag);
      if (!known || isHosted(known.endpoint)) return;
      rows.transaction(() => rows.setTag(image, tag, { ...known, checkedAt: 0 }, 0));
    },
    async removeTag(image, tag) {
      if (!rows.tag(image, tag)) return false;
      write(rows, isHostedTag(image, tag), () => rows.dropTag(image, tag));
      return true;
    },

    link: async (digest, link, at) =>
      write(rows, isHosted(link.origin), () => writeLink(rows, digest, link, at)),
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
    referrersOf: async (image, subject) => rows.referrersOf(image, subject),
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

/** A link with its tags. */
export function writeLink(rows: IndexRows, digest: Digest, link: NewLink, at: number): void {
  const { image, origin, mediaType, tags = [] } = link;
  rows.link(image, digest, origin, at, mediaType);
  for (const tag of tags) rows.setTag(image, tag, { digest, endpoint: origin, checkedAt: at });
}
