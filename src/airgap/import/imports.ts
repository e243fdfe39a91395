/**
 * `entrepot import`: one archive after the other, in any order, as often as one likes.
 *
 *   archive -> stage (hashed) -> what it names is noted -> each image that is whole now goes into the cache, with its tag
 *
 * Images that are not whole wait for a later archive. Nothing of an archive is visible that is malformed anywhere.
 */
import { existsSync } from 'node:fs';
import type { HostedContent } from '../../cache/hosted-content.ts';
import { EntrepotError } from '../../errors.ts';
import { type Digest, digestHex } from '../../oci/digest.ts';
import type { Archive, ReadOptions, WantedRef } from './archive.ts';
import { type Closure, closureOf, type Holdings } from './closure.ts';
import { type DiskStage, type DiskStageDeps, openDiskStage } from './disk-stage.ts';
import { createPendingImports, keyOf, type PendingImports, type Wanted } from './pending.ts';
import { newBytes, putImage, type SiteDeps, siteHoldings } from './put-image.ts';
import { readArchive, type Volume } from './read-archive.ts';
import type { Stage } from './stage.ts';
import { storeName } from './store-name.ts';

export interface ImportOptions extends ReadOptions {
  /** The content may be evicted, and its tags are revalidated, as if it had been pulled. */
  readonly cached?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ImportedImage {
  /** `registry/repository:tag`, or `@digest` without a tag. */
  readonly reference: string;
  readonly digest: Digest;
  /** `partial`: something is lacking, or a quota has no room, and the image is not visible yet. */
  readonly state: 'done' | 'partial';
  /** How many contents are lacking, and some of them. */
  readonly lacking: number;
  readonly examples: readonly Digest[];
  /** Volumes of the bundle that have what is lacking. */
  readonly volumes: readonly number[];
  /** Nothing is lacking, but this quota has no room for it. */
  readonly fullQuota: string | null;
  /** Its registry is in no registries.conf: clients are refused. */
  readonly isUnlisted: boolean;
}

export interface ImportReport {
  readonly file: string;
  readonly format: Archive['format'];
  readonly bundle: Digest | null;
  readonly volume: number | null;
  readonly volumes: number | null;
  /** Of this archive, and those of earlier ones that it completed. */
  readonly images: readonly ImportedImage[];
  /** All contents of the images that are done. */
  readonly digests: readonly Digest[];
  readonly notes: readonly string[];
  /** A name of the data folder. */
  readonly store: string;
}

export interface Imports {
  /**
   * Takes in one archive. Throws EntrepotError: BUNDLE_INVALID, DATA_UNUSABLE where there is no room, USAGE where the archive lacks names.
   */
  importVolume(volume: Volume, options: ImportOptions): Promise<ImportReport>;
}

export interface ImportsDeps extends DiskStageDeps, Omit<SiteDeps, 'stage'> {
  readonly content: HostedContent;
}

/** Contents that are lacking are named up to this number. */
const maxExamples = 20;

/** `folder`: `imports/` of the data folder, which this process holds. What is old in it is removed now. */
export async function openImports(deps: ImportsDeps, folder: string): Promise<Imports> {
  const { clock } = deps;
  let stage: DiskStage | undefined = existsSync(folder) ? await openDiskStage(deps, folder) : undefined;
  const pending = createPendingImports(folder, clock.now);
  let last: Promise<unknown> = Promise.resolve();

  async function run(volume: Volume, options: ImportOptions): Promise<ImportReport> {
    stage ??= await openDiskStage(deps, folder);
    try {
      const archive = await readArchive(volume, stage, options);
      const settling = createSettling({ ...deps, stage, pending });
      const named = wantedOf(archive, volume.file, options);
      const wanted = await settling.toPut(named, archive.bundle?.volume, options.signal);
      await pending.supersede(wanted);
      await pending.put(wanted);
      await settling.settle(wanted, true, options.signal);
      for (const one of await pending.all())
        if (one.key !== wanted.key) await settling.settleOther(one, options.signal);
      if ((await pending.all()).length === 0) await stage.clear();
      const { images, digests, notes } = settling.found;
      const { bundle } = archive;
      return {
        file: volume.file,
        format: archive.format,
        bundle: bundle?.bundle ?? null,
        volume: bundle?.volume ?? null,
        volumes: bundle?.volumes ?? null,
        images,
        digests: [...digests].toSorted(),
        notes: [...archive.notes, ...notes],
        store: await storeName(folder),
      };
    } finally {
      stage.release();
    }
  }

  return {
    importVolume(volume, options) {
      // One at a time: images of two archives may share contents in the stage.
      const next = last.then(() => run(volume, options));
      last = next.catch(() => {});
      return next;
    },
  };
}

/** What an archive wants. */
export function wantedOf({ bundle, refs, format }: Archive, file: string, options: ImportOptions): Wanted {
  return {
    file,
    key: bundle ? digestHex(bundle.bundle) : keyOf(refs),
    refs,
    omitted: bundle?.omitted ?? [],
    mayLackPlatforms: format !== 'bundle',
    cached: options.cached ?? false,
    places: (bundle?.blobs ?? []).map(
      ({ digest, parts }) => [digest, parts.map(({ volume }) => volume)] as const,
    ),
  };
}

/** Volumes that have what is lacking, without those whose parts of it came. `places`: as `Wanted.places`. */
export async function missingVolumes(
  stage: Pick<Stage, 'hasPart'>,
  places: ReadonlyMap<Digest, readonly number[]>,
  { lacking }: Pick<Closure, 'lacking'>,
): Promise<readonly number[]> {
  const missing = new Set<number>();
  for (const digest of lacking) {
    for (const [part, volume] of (places.get(digest) ?? []).entries()) {
      if (!missing.has(volume) && !(await stage.hasPart(digest, part))) missing.add(volume);
    }
  }
  return [...missing].toSorted((one, other) => one - other);
}

/** An image as reports show it. `volumes`: with what is lacking. */
export function describeImage(
  ref: WantedRef,
  { lacking }: Pick<Closure, 'lacking'>,
  volumes: readonly number[],
  { fullQuota = null, isUnlisted = false }: Partial<Pick<ImportedImage, 'fullQuota' | 'isUnlisted'>> = {},
): ImportedImage {
  return {
    reference: referenceOf(ref),
    digest: ref.digest,
    state: lacking.length === 0 && fullQuota === null ? 'done' : 'partial',
    lacking: lacking.length,
    examples: lacking.slice(0, maxExamples),
    volumes,
    fullQuota,
    isUnlisted,
  };
}

function referenceOf({ name, tag, digest }: WantedRef): string {
  return tag === null ? `${name}@${digest}` : `${name}:${tag}`;
}

function contentsOf({ manifests, blobs }: Closure): readonly Digest[] {
  return [...manifests.map(({ digest }) => digest), ...blobs];
}

/** The note on platforms that an index lists and the archive has not. */
export function platformNote(ref: WantedRef, platforms: readonly string[]): string {
  const shown = platforms.slice(0, maxExamples).join(', ');
  return `${ref.name}${ref.tag === null ? '' : `:${ref.tag}`}: the archive has not ${shown}`;
}

interface SettlingDeps extends SiteDeps {
  readonly pending: PendingImports;
}

/** Puts what is whole into the cache, and collects what the report says. */
function createSettling({ pending, ...site }: SettlingDeps) {
  const { stage, content, isListed } = site;
  const images: ImportedImage[] = [];
  const digests = new Set<Digest>();
  const notes: string[] = [];

  /** What there is for the images of one archive. */
  function looking({ omitted, mayLackPlatforms, file }: Wanted) {
    const named = (why: string) => new Set(omitted.flatMap((one) => (one.why === why ? [one.digest] : [])));
    const holdings = siteHoldings(site, named('base'));
    const rules = { omitted: named('platform'), mayLackPlatforms, visits: { count: 0 } };
    return { holdings, look: (ref: WantedRef): Promise<Closure> => closureOf(ref, holdings, rules, file) };
  }

  /** Puts a whole image into the cache. A quota that has no room for it is the answer, and the image waits. */
  async function putOrQuota(ref: WantedRef, closure: Closure, holdings: Holdings, { cached }: Wanted) {
    const bytes = await newBytes(ref.name, closure, site);
    const fullQuota = bytes > 0 ? await content.quotaWithoutRoom(ref.name, bytes) : undefined;
    if (fullQuota === undefined) await putImage(ref, closure, site, { holdings, cached });
    return fullQuota;
  }

  async function settle(wanted: Wanted, isCurrent: boolean, signal: AbortSignal | undefined): Promise<void> {
    const { holdings, look } = looking(wanted);
    const places = new Map(wanted.places);
    const left = new Set(wanted.refs);
    try {
      for (const ref of wanted.refs) {
        signal?.throwIfAborted();
        const closure = await look(ref);
        const isWhole = closure.lacking.length === 0;
        const fullQuota = isWhole ? await putOrQuota(ref, closure, holdings, wanted) : undefined;
        const isDone = isWhole && fullQuota === undefined;
        if (isDone) {
          left.delete(ref);
          for (const digest of contentsOf(closure)) digests.add(digest);
          if (closure.absentPlatforms.length > 0) notes.push(platformNote(ref, closure.absentPlatforms));
        }
        const isUnlisted = !isListed(ref.name.slice(0, ref.name.indexOf('/')));
        if (!isCurrent && !isDone) continue;
        const volumes = await missingVolumes(stage, places, closure);
        images.push(describeImage(ref, closure, volumes, { fullQuota: fullQuota ?? null, isUnlisted }));
      }
    } finally {
      // What is done is not put again: its tag may have moved, or gone, by the next import.
      if (left.size === 0) await pending.remove(wanted.key);
      else if (left.size < wanted.refs.length) await pending.put({ ...wanted, refs: [...left] });
    }
  }

  return {
    found: { images, digests, notes },
    /**
     * What of `named` is put into the cache: all; after an earlier volume of the bundle, what waits since then, and images that have contents
     * in this `volume`, so that importing it again repairs them. Throws EntrepotError BUNDLE_INVALID if an image can never be whole.
     */
    async toPut(named: Wanted, volume: number | undefined, signal: AbortSignal | undefined): Promise<Wanted> {
      const { look } = looking(named);
      const earlier = (await pending.all()).find(({ key }) => key === named.key);
      const waiting = earlier && new Set(earlier.refs.map(referenceOf));
      const places = new Map(named.places);
      const isHere = (digest: Digest) => volume === undefined || places.get(digest)?.includes(volume);
      const refs: WantedRef[] = [];
      try {
        for (const ref of named.refs) {
          signal?.throwIfAborted();
          const contents = contentsOf(await look(ref));
          if (!waiting || waiting.has(referenceOf(ref)) || contents.some(isHere)) refs.push(ref);
          else for (const digest of contents) if (await content.serves(ref.name, digest)) digests.add(digest);
        }
      } catch (error) {
        if (error instanceof EntrepotError && error.code === 'BUNDLE_INVALID')
          await pending.remove(named.key);
        throw error;
      }
      return { ...named, refs };
    },
    settle,
    /** Images that wait for what an earlier archive lacked. What is wrong with them is a note: it keeps no others out. */
    async settleOther(other: Wanted, signal: AbortSignal | undefined): Promise<void> {
      try {
        await settle(other, false, signal);
      } catch (error) {
        if (!(error instanceof EntrepotError)) throw error;
        if (error.code === 'BUNDLE_INVALID') await pending.remove(other.key);
        notes.push(`an earlier import is not whole: ${error.located}`);
      }
    },
  };
}
