/**
 * What the commands do that concern the cache: here once, whether a running server is asked (`http/admin-api.ts`) or the data
 * folder is opened by the command itself. Times are ISO 8601 texts, sizes bytes: all of it goes out as JSON.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { CacheAdmin, CollectReport } from '../cache/cache-admin.ts';
import { EntrepotError } from '../errors.ts';
import type { NamePattern } from '../lib/name-patterns.ts';
import { parseTag } from '../oci/reference.ts';
import type { WarmOptions, WarmReference, WarmReport } from '../pull/warm-image.ts';
import { type Completeness, completenessOf } from './completeness.ts';
import { readGlob, readPin, readReference } from './named-images.ts';
import { createPurgeImages, type PurgedImage, type PurgeOptions } from './purge-images.ts';
import type { ScrubReport, ScrubRun, Scrubs } from './scrubs.ts';

export interface Administration {
  /** What can be pulled from the cache, by image and tag; only what the glob matches, where one is given. It may be much. */
  list(match?: string): AsyncIterable<ListedImage>;
  usage(): Promise<Usage>;
  gc(): Promise<CollectReport>;
  /**
   * A reference, without a tag or digest the whole repository; or a glob over `registry/repository` and
   * `registry/repository:tag`. Pinned images stay, unless `pinned` is set: see `purge-images.ts`.
   */
  purge(what: string, options: PurgeOptions): Promise<readonly PurgedImage[]>;
  pins(): Promise<PinList>;
  /** A reference, or a glob over `registry/repository` and `registry/repository:tag`. */
  pin(
    what: string,
  ): Promise<PinList & { /** Something that is cached matches. */ readonly matches: boolean }>;
  unpin(what: string): Promise<PinList>;
  pull(reference: string, options: WarmOptions): Promise<WarmReport>;
  /** Re-hashes what is stored, and brings back what is damaged; only what images and tags link that the glob matches. */
  scrub(match: string | undefined, options: Omit<ScrubRun, 'matches' | 'folders'>): Promise<ScrubReport>;
}

export interface ListedImage extends Completeness {
  /** `registry/repository`. */
  readonly image: string;
  readonly tag: string | null;
  readonly digest: string;
  readonly mediaType: string;
  /** Stored bytes of the manifest and of all below it. */
  readonly bytes: number;
  readonly lastUsed: string;
  /** `host/repository` that gave it, or that last confirmed the tag. */
  readonly from: string;
  /** When that was, for a tag. */
  readonly checked: string | null;
  readonly pinned: boolean;
}

export interface Usage {
  /** Of stored contents, each counted once. */
  readonly bytes: number;
  readonly contents: number;
  readonly manifests: number;
  readonly reserved: number;
  readonly maxSize: number | null;
  /** What several share is counted for each. */
  readonly registries: readonly UsageOf[];
  readonly repositories: readonly UsageOf[];
  readonly quotas: readonly { readonly match: string; readonly maxSize: number; readonly bytes: number }[];
}

export interface UsageOf {
  readonly name: string;
  readonly bytes: number;
  readonly contents: number;
  readonly tags: number;
}

export interface PinList {
  /** From entrepot.toml. */
  readonly configured: readonly string[];
  /** By command. */
  readonly added: readonly string[];
}

export interface AdministrationDeps {
  readonly cache: CacheAdmin;
  readonly scrubs: Pick<Scrubs, 'run'>;
  readonly warm: (reference: WarmReference, options: WarmOptions) => Promise<WarmReport>;
  /** Whether the configuration names this registry. */
  readonly isListed: (registry: string) => boolean;
}

export function createAdministration({ cache, scrubs, warm, isListed }: AdministrationDeps): Administration {
  const pinList = (): PinList => ({ configured: cache.pins.configured, added: cache.pins.added });

  async function* listed(matches: NamePattern | undefined): AsyncGenerator<ListedImage> {
    for await (const { image } of cache.eachImage()) {
      for (const kept of cache.manifests(image)) {
        const { tag, digest, mediaType, bytes, used, endpoint, checkedAt, pinned } = kept;
        if (matches && !matches(image) && !(tag !== undefined && matches(`${image}:${tag}`))) continue;
        yield {
          ...{ image, tag: tag ?? null, digest, mediaType, bytes, lastUsed: isoTime(used), from: endpoint },
          ...{ checked: checkedAt === undefined ? null : isoTime(checkedAt), pinned },
          ...completenessOf(cache, image, digest),
        };
      }
      await turn();
    }
  }

  async function isCached(pattern: string): Promise<boolean> {
    for await (const _ of listed(readGlob(pattern))) return true;
    return false;
  }

  return {
    list: (match) => listed(readMatch(match)),

    async usage() {
      const repositories: UsageOf[] = [];
      const registries = new Map<string, UsageOf>();
      for await (const { image, bytes, contents, tags } of cache.eachImage()) {
        repositories.push({ name: image, bytes, contents, tags });
        const name = image.slice(0, image.indexOf('/'));
        const sum = registries.get(name) ?? { name, bytes: 0, contents: 0, tags: 0 };
        registries.set(name, {
          ...{ name, bytes: sum.bytes + bytes },
          ...{ contents: sum.contents + contents, tags: sum.tags + tags },
        });
      }
      const { maxSize, quotas, ...totals } = cache.usage();
      return {
        ...totals,
        maxSize: maxSize ?? null,
        registries: [...registries.values()],
        repositories,
        quotas,
      };
    },

    gc: cache.collect,

    purge: createPurgeImages({ cache }),
    pins: async () => pinList(),
    async pin(what) {
      const pattern = readPin(what);
      cache.pins.add(pattern);
      return { ...pinList(), matches: await isCached(pattern) };
    },
    async unpin(what) {
      const pin = readPin(what);
      if (!cache.pins.remove(pin)) {
        const way = cache.pins.configured.includes(pin)
          ? 'it stands in entrepot.toml: take [[cache.pin]] out there'
          : `pinned by command are ${cache.pins.added.join(', ') || 'none'}`;
        throw new EntrepotError('USAGE', `${pin} is not pinned by command: ${way}`);
      }
      return pinList();
    },

    async pull(text, options) {
      const { registry, repository, tag, digest } = readReference(text);
      if (!isListed(registry)) {
        throw new EntrepotError(
          'REFERENCE_INVALID',
          `the registry of ${text} is not listed in registries.conf: add [[registry]] location = "${registry}"`,
        );
      }
      if (digest) return await warm({ registry, repository, digest }, options);
      const named = tag ?? parseTag('latest');
      if (!named) throw new Error('latest is a tag');
      return await warm({ registry, repository, tag: named }, options);
    },

    scrub: async (match, options) => await scrubs.run({ ...options, matches: readMatch(match) }),
  };
}

function readMatch(match: string | undefined): NamePattern | undefined {
  return match === undefined ? undefined : readGlob(match);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
