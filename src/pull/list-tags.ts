/** Tag lists: the upstream's. If none was ever cached and no endpoint answers, the cached tags. */
import type { TagsTarget } from '../routing/target.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { type CachedListDeps, createCachedList } from './cached-list.ts';
import type { Pulled, TagList } from './pull.ts';

export interface ListTagsDeps extends CachedListDeps {
  readonly upstream: Upstream;
}

/** Rejects with bugs only. */
export function createListTags(deps: ListTagsDeps) {
  const { cache, upstream } = deps;
  const list = createCachedList<''>(deps, {
    kind: 'tags',
    async ask({ registry, repository }, _, onProgress) {
      const answer = await upstream.listTags({ registry, repository }, { onProgress });
      return answer.ok
        ? { ...answer, value: Buffer.from(JSON.stringify([...answer.value].sort(byBytes))) }
        : answer;
    },
    isOfUse: (_image, _key, bytes) => decode(bytes).length > 0,
  });

  async function get({ image, limit, after, byPeer }: TagsTarget): Promise<Pulled<TagList>> {
    const listed = await list.get(image, '', byPeer);
    if (listed.found) return { ...listed, value: page(decode(listed.value), limit, after) };
    const here = listed.verdict.kind === 'notFound' ? [] : await cache.tags(image.name);
    if (here.length === 0) return listed;
    return { found: true, value: page(here, limit, after), cache: 'stale', trail: listed.trail };
  }

  return { get, expire: ({ image }: TagsTarget) => list.expire(image, '') };
}

/** `n` and `last` of the distribution specification ("Listing Tags"): after `last`, in byte order. */
export function page(tags: readonly string[], limit: number | undefined, after: string | undefined): TagList {
  const rest = after === undefined ? tags : tags.filter((tag) => byBytes(tag, after) > 0);
  const shown = limit === undefined ? rest : rest.slice(0, limit);
  return { tags: shown, more: shown.length < rest.length && shown.length > 0 };
}

/** Tags are ASCII, so code units are bytes. */
export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function decode(bytes: Uint8Array): readonly string[] {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as string[];
}
