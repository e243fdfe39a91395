/**
 * `entrepot import`: one archive after the other, in any order, as often as one likes.
 *
 *   archive -> stage (hashed) -> what it names is noted -> each image that is whole now goes into the cache, with its tag
 *
 * Images that are not whole wait for a later archive. Nothing of an archive is visible that is malformed anywhere.
 */
import { existsSync } from 'node:fs';
import { unusable } from '../../cache/data-folder.ts';
import type { HostedContent } from '../../cache/hosted-content.ts';
import { EntrepotError } from '../../errors.ts';
import { systemCode } from '../../lib/thrown.ts';
import { type Digest, digestHex } from '../../oci/digest.ts';
import { hostOf } from '../../oci/reference.ts';
import type { Archive, ReadOptions, WantedRef } from './archive.ts';
import { type Closure, closureOf, type Holdings } from './closure.ts';
import { type DiskStage, type DiskStageDeps, openDiskStage } from './disk-stage.ts';
import {
  describeImage,
  type ImportedImage,
  missingVolumes,
  platformNote,
  referenceOf,
} from './imported-image.ts';
import { createPendingImports, keyOf, type PendingImports, type Wanted } from './pending.ts';
import { newBytes, putImage, type SiteDeps, siteHoldings } from './put-image.ts';
import { readArchive, type Volume } from './read-archive.ts';
import { storeName } from './store-name.ts';

export interface ImportOptions extends ReadOptions {
  /** The content may be evicted, and its tags are revalidated, as if it had been pulled. */
  readonly cached?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
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

export interface OpenImports {
  readonly commands: Imports;
  stop(): void;
}

export interface ImportsDeps extends DiskStageDeps, Omit<SiteDeps, 'stage'> {
  readonly content: HostedContent;
}

/** ms. */
const day = 24 * 3_600_000;

/** `folder`: `imports/` of the data folder, which this process holds. What is old in it is removed now, at each import, and each day. */
export async function openImports(deps: ImportsDeps, folder: string): Promise<OpenImports> {
  const { clock } = deps;
  let stage: DiskStage | undefined = existsSync(folder) ? await openDiskStage(deps, folder) : undefined;
  const pending = createPendingImports(folder, clock.now);
  let last: Promise<unknown> = Promise.resolve();
  let timer = clock.after(day, sweepDaily);

  /** One at a time: images of two archives may share contents in the stage, and a sweep must see none on its way in. */
  function next<T>(work: () => Promise<T>): Promise<T> {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  }

  async function sweep(): Promise<void> {
    await stage?.sweep();
    // It removes old ones.
    if (stage) await pending.all();
  }

  function sweepDaily(): void {
    // The next import meets the same error, and tells of it.
    next(sweep).catch(() => {});
    timer = clock.after(day, sweepDaily);
  }

  async function run(volume: Volume, options: ImportOptions): Promise<ImportReport> {
    stage ??= await openDiskStage(deps, folder);
    await sweep();
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

  function importVolume(volume: Volume, options: ImportOptions): Promise<ImportReport> {
    return next(() => run(volume, options)).catch((error: unknown) => {
      // Any other error may be of the archive.
      throw systemCode(error) === 'EROFS' ? unusable(folder, error) : error;
    });
  }

  return {
    commands: { importVolume },
    stop: () => timer.cancel(),
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

function contentsOf({ manifests, blobs }: Closure): readonly Digest[] {
  return [...manifests.map(({ digest }) => digest), ...blobs];
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
        const registry = hostOf(ref.name);
        const isUnlisted = !isListed(registry, ref.name.slice(registry.length + 1));
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
