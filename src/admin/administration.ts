/**
 * The commands that concern the cache. They are here once, for both ways to reach them: over the admin socket of a running
 * server (`http/admin/admin-api.ts`), or on the data folder itself if no server holds it (`cli/administration.ts`). All results
 * go out as JSON: times are ISO 8601 texts, sizes are bytes.
 */
import type { CacheAdmin, CollectReport } from '../cache/cache-admin.ts';
import { readGlob, readListedImage, readPin, readReference } from '../config/named-images.ts';
import { EntrepotError } from '../errors.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Placement } from '../placement/placement.ts';
import type { SweptBucket } from '../placement/sweep.ts';
import type { WarmOptions, WarmReference, WarmReport } from '../pull/warm-image.ts';
import type { EventCommands } from './event-commands.ts';
import { type EvictedNext, nextEvictions } from './evictions.ts';
import { describeImage, type ImageDetails } from './image-details.ts';
import { createJobCommands, type JobCommands } from './job-commands.ts';
import { type ListedImage, listImages } from './listed-images.ts';
import { createPurgeImages, type PurgeImages } from './purge-images.ts';
import { createReplicaCommands, type ReplicaCommands, type ReplicaCommandsDeps } from './replica-commands.ts';
import type { RobotTokens } from './robot-tokens.ts';
import type { ScrubReport, ScrubRun, Scrubs } from './scrubs.ts';
import { type BesideCache, measureUsage, type UploadsNow, type Usage } from './usage.ts';

/** Globs match `registry/repository` and `registry/repository:tag`. Each method throws EntrepotError for wrong arguments. */
export interface Administration {
  /** What can be pulled from the cache, by image and tag; `match` is a glob. The list can be long. */
  list(match?: string): AsyncIterable<ListedImage>;
  usage(): Promise<Usage>;
  /** All that is known of an image. Takes a reference, also without tag and digest. Throws EntrepotError NOT_CACHED. */
  image(reference: string): Promise<ImageDetails>;
  /** What goes next where room is needed, at most `limit`. It changes nothing. */
  evictions(limit: number): Promise<readonly EvictedNext[]>;
  /** Credentials of programs. */
  readonly tokens: RobotTokens;
  /** Makes index and content agree, and the cache fit its limits; removes from buckets what no image needs, where that is allowed. */
  gc(): Promise<GcReport>;
  /**
   * Takes a reference, without tag or digest the whole repository, or a glob. Pinned images stay unless `pinned` is set, hosted ones
   * unless `hosted` is. */
  readonly purge: PurgeImages;
  pins(): Promise<PinList>;
  /** Takes a reference or a glob. `matches`: something that is cached matches. */
  pin(what: string): Promise<PinList & { readonly matches: boolean }>;
  /** Takes a pin as it was made. Throws EntrepotError USAGE if no command made it. */
  unpin(what: string): Promise<PinList>;
  /** Downloads an image, by default with all its platforms. Throws EntrepotError for a registry that is not listed. */
  pull(reference: string, options: WarmOptions): Promise<WarmReport>;
  /** Hashes stored content again and fetches what is damaged; with a glob, only content that matching images link. */
  scrub(match: string | undefined, options: Omit<ScrubRun, 'matches' | 'folders'>): Promise<ScrubReport>;
  readonly jobs: JobCommands;
  /** Events for other systems that wait, or were given up. */
  readonly events: EventCommands;
  readonly replicas: ReplicaCommands;
}

export interface GcReport extends CollectReport {
  /** Of buckets with `sweep_after`. */
  readonly buckets: readonly SweptBucket[];
}

export interface PinList {
  /** From entrepot.toml. */
  readonly configured: readonly string[];
  /** Made by commands. */
  readonly added: readonly string[];
}

export interface AdministrationDeps {
  readonly cache: CacheAdmin;
  readonly buckets: Pick<Placement, 'sweep' | 'usage'>;
  /** What this replica has in common with others, as `usage` shows it. */
  readonly sharing: () => Pick<BesideCache, 'cluster' | 'facts'>;
  readonly scrubs: Pick<Scrubs, 'run'>;
  readonly warm: (reference: WarmReference, options: WarmOptions) => Promise<WarmReport>;
  readonly jobs: Jobs;
  readonly outbox: { readonly commands: EventCommands };
  readonly replicas: Omit<ReplicaCommandsDeps, 'jobs'>;
  /** Blobs on their way in by pushes. */
  readonly uploads: { usage(): UploadsNow };
  /** Whether the configuration names this registry. */
  readonly isListed: (registry: string, repository: string) => boolean;
  readonly tokens: RobotTokens;
}

/** Acts on the cache of this process. */
export function createAdministration(deps: AdministrationDeps): Administration {
  const { cache, buckets, sharing, scrubs, warm, jobs, outbox, replicas, uploads, isListed, tokens } = deps;
  const pinList = (): PinList => ({ configured: cache.pins.configured, added: cache.pins.added });
  const readMatch = (match: string | undefined) => (match === undefined ? undefined : readGlob(match));

  async function isCached(glob: string): Promise<boolean> {
    for await (const _ of listImages(cache, readGlob(glob))) return true;
    return false;
  }

  return {
    list: (match) => listImages(cache, readMatch(match)),
    usage: async () =>
      measureUsage(cache, { uploads: uploads.usage(), buckets: await buckets.usage(), ...sharing() }),
    image: (reference) => describeImage(cache, readReference(reference)),
    evictions: (limit) => nextEvictions(cache, limit),
    tokens,
    gc: async () => ({ ...(await cache.collect()), buckets: await buckets.sweep() }),
    purge: createPurgeImages({ cache }),
    pins: async () => pinList(),
    async pin(what) {
      const pattern = readPin(what);
      await cache.pins.add(pattern);
      return { ...pinList(), matches: await isCached(pattern) };
    },
    async unpin(what) {
      const pin = readPin(what);
      if (!(await cache.pins.remove(pin))) {
        const way = cache.pins.configured.includes(pin)
          ? 'entrepot.toml pins it: remove its [[cache.pin]] there'
          : `the pins made by command are ${cache.pins.added.join(', ') || 'none'}`;
        throw new EntrepotError('USAGE', `${pin} is not pinned by command: ${way}`);
      }
      return pinList();
    },
    pull: async (text, options) => await warm(readListedImage(text, isListed), options),
    scrub: async (match, options) => await scrubs.run({ ...options, matches: readMatch(match) }),
    jobs: createJobCommands(jobs),
    replicas: createReplicaCommands({ ...replicas, jobs }),
    events: outbox.commands,
  };
}
