/** Tag lists: upstream's, kept for as long as a tag is fresh, and served stale when nobody answers. */
import type { Cache } from '../cache/cache.ts';
import type { Freshness } from '../cache/freshness.ts';
import type { Clock } from '../lib/clock.ts';
import { SingleFlight } from '../lib/single-flight.ts';
import type { ImageName, TagsTarget } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Patience } from './patience.ts';
import type { Pulled, TagList } from './pull.ts';
import type { RememberedTrails } from './remembered-trails.ts';

export interface ListTagsDeps {
  readonly cache: Cache;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly freshness: Freshness;
  readonly absences: RememberedTrails;
  readonly patience: Patience;
}

type Listed = Pulled<readonly string[]>;

/** What is remembered as missing; no tag and no digest has such a name. */
const tagList = 'tags/list';

export function createListTags(deps: ListTagsDeps): (target: TagsTarget) => Promise<Pulled<TagList>> {
  const { cache, upstream, clock, freshness, absences, patience } = deps;
  const flights = new SingleFlight<Listed>();

  async function list(image: ImageName): Promise<Listed> {
    const kept = cache.list(image.name, 'tags', '');
    if (kept && clock.now() - kept.checkedAt < freshness(image.name, '')) {
      return { found: true, value: decode(kept.bytes), cache: 'hit', trail: [] };
    }
    const missing = absences.get(image.name, tagList);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    const ask = (): Promise<Listed> => flights.run(image.name, () => fetch(image, kept !== undefined));
    if (!kept) return ask();
    const stale: Listed = { found: true, value: decode(kept.bytes), cache: 'stale', trail: [] };
    const fetched = (await patience.wait(image, ask)) ?? stale;
    const isGone = !fetched.found && fetched.verdict.kind === 'notFound';
    return fetched.found || isGone ? fetched : { ...stale, trail: fetched.trail };
  }

  async function fetch(image: ImageName, hasCopy: boolean): Promise<Listed> {
    const { name, registry, repository } = image;
    const answer = await upstream.listTags({ registry, repository });
    const { trail } = answer;
    if (answer.ok) {
      const value = [...answer.value].sort(byBytes);
      cache.setList(name, 'tags', '', Buffer.from(JSON.stringify(value)));
      return { found: true, value, cache: 'fetched', endpoint: endpointKey(answer.endpoint), trail };
    }
    if (answer.verdict.kind === 'notFound') {
      cache.dropList(name, 'tags', '');
      absences.add(name, tagList, trail);
    } else if (!hasCopy) {
      // Without a list from before, the tags that are here are better than nothing.
      const here = cache.tags(name);
      if (here.length > 0) return { found: true, value: here, cache: 'stale', trail };
    }
    return { found: false, verdict: answer.verdict, trail };
  }

  return async ({ image, limit, after }) => {
    const listed = await list(image);
    return listed.found ? { ...listed, value: page(listed.value, limit, after) } : listed;
  };
}

/** `n` and `last` of the distribution specification ("Listing Tags"): after `last`, in byte order. */
function page(tags: readonly string[], limit: number | undefined, after: string | undefined): TagList {
  const rest = after === undefined ? tags : tags.filter((tag) => byBytes(tag, after) > 0);
  const shown = limit === undefined ? rest : rest.slice(0, limit);
  return { tags: shown, more: shown.length < rest.length && shown.length > 0 };
}

/** Tags are ASCII, so code units are bytes. */
function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function decode(bytes: Uint8Array): readonly string[] {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as string[];
}
