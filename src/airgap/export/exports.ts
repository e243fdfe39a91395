/**
 * `entrepot export`: brings what is wanted here, plans all volumes, then writes those that are not there yet.
 *
 *   wanted-images --> bring-images --> volume-plan --> destination --> volume-writer
 *   what is meant     whole and held   what lies where  what is there   FILE.partial, then FILE
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Cache } from '../../cache/cache.ts';
import { EntrepotError } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { freeOnDisk } from '../../lib/disk-space.ts';
import { KeyedLock } from '../../lib/flow/keyed-lock.ts';
import { reasonOf } from '../../lib/thrown.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BundleContents, Omitted } from '../bundle-manifest.ts';
import { volumeName } from '../bundle-names.ts';
import { parseReceipt } from '../receipt.ts';
import { readVolumeManifest } from '../volume-manifest.ts';
import { printSums } from '../volume-sums.ts';
import { type BringDeps, type Brought, bringImages } from './bring-images.ts';
import {
  checkRoom,
  type Destination,
  finishedVolumes,
  finishSums,
  keepSums,
  openDestination,
  unwritable,
} from './destination.ts';
import type {
  ExportOptions,
  ExportProgress,
  ExportReport,
  ExportRequest,
  Exports,
} from './export-request.ts';
import { layoutFiles } from './layout-files.ts';
import { type PlannedContent, planVolumes, type VolumePlan } from './volume-plan.ts';
import { type VolumeSource, writeVolume } from './volume-writer.ts';
import { type WantedImagesDeps, wantedImages } from './wanted-images.ts';

export interface ExportsDeps extends WantedImagesDeps, Omit<BringDeps, 'admin' | 'cache'> {
  readonly cache: BringDeps['cache'] & Pick<Cache, 'open'>;
  readonly admin: WantedImagesDeps['admin'] & BringDeps['admin'];
  readonly clock: Pick<Clock, 'now'>;
  readonly freeBytes?: ((folder: string) => number) | undefined;
}

/** What the other site has, by its receipts or by assumption. */
interface Base {
  readonly ids: readonly Digest[];
  readonly digests: ReadonlySet<Digest>;
  readonly notes: readonly string[];
}

/** ms between two words about the progress. */
const progressEvery = 250;

/** One export to one name at a time. */
export function createExports(deps: ExportsDeps): Exports {
  const running = new KeyedLock();
  return {
    export: (request, options) =>
      running.run(request.to, async () => {
        try {
          return await runExport(deps, request, options);
        } catch (error) {
          if (!options.signal.aborted) throw error;
          const message =
            'the export was cancelled: finished volumes stay, and the same command goes on behind them';
          throw new EntrepotError('BUNDLE_UNWRITABLE', message, { cause: error });
        }
      }),
  };
}

async function runExport(
  deps: ExportsDeps,
  request: ExportRequest,
  { onProgress, signal }: ExportOptions,
): Promise<ExportReport> {
  const { isDryRun, referrers } = request;
  const destination = isDryRun ? undefined : await openDestination(request.to);
  const base = await readBase(request);
  const wanted = await wantedImages(deps, request, signal);
  const total = { images: wanted.images.length };
  const brought = await bringImages(deps, wanted.images, {
    referrers,
    isDryRun,
    signal,
    onProgress: (at) => onProgress({ step: 'bring', ...total, ...at }),
  });
  try {
    const failures = [...wanted.failures, ...brought.failures];
    const notes = [...wanted.notes, ...base.notes, ...brought.notes];
    const images = brought.images;
    const nothing = {
      bundle: null,
      volumes: [],
      images,
      contents: 0,
      bytes: 0,
      omitted: [],
      digests: [],
      sums: '',
    };
    const missingBytes = images.reduce((sum, image) => sum + image.missingBytes, 0);
    if (brought.refs.length === 0) return { ...nothing, missingBytes, failures, notes };
    const plan = planOf(brought, base, request);
    const written = destination
      ? await write(deps, { destination, plan, brought }, onProgress, signal)
      : undefined;
    const { omitted, blobs } = plan.contents;
    const volumes = plan.volumes.map(({ volume, bytes }) => {
      const file = volumeName(basename(request.to), volume);
      const sha256 = written?.sums.get(file) ?? null;
      return { file, bytes, sha256, isKept: written?.kept.has(file) ?? false };
    });
    return {
      bundle: plan.bundle,
      volumes,
      images,
      contents: blobs.length,
      bytes: blobs.reduce((sum, { size }) => sum + size, 0),
      omitted,
      missingBytes,
      digests: blobs.map(({ digest }) => digest),
      sums: printSums(written?.sums ?? new Map()),
      failures,
      notes,
    };
  } finally {
    brought.release();
  }
}

async function readBase({ base, since }: ExportRequest): Promise<Base> {
  const ids: Digest[] = [];
  const stores = new Map<string, Set<Digest>>();
  const notes: string[] = [];
  for (const file of base) {
    const read = parseReceipt(await readFile(file).catch((error: unknown) => unreadable(file, error)), file);
    ids.push(read.receipt);
    const known = stores.get(read.store) ?? new Set();
    for (const digest of read.digests) known.add(digest);
    stores.set(read.store, known);
  }
  // What goes to several sites may lack only what all of them have.
  const [first = new Set<Digest>(), ...others] = stores.values();
  const digests = new Set([...first].filter((digest) => others.every((store) => store.has(digest))));
  for (const file of since) {
    const read = await readVolumeManifest(file).catch((error: unknown) => unreadable(file, error));
    ids.push(read.bundle);
    for (const { digest } of read.blobs) digests.add(digest);
    for (const { digest, why } of read.omitted) if (why === 'base') digests.add(digest);
    notes.push(`all volumes of the bundle ${read.bundle} are taken as delivered: no receipt says so`);
  }
  return { ids: [...new Set(ids)].toSorted(), digests, notes };
}

function unreadable(file: string, error: unknown): never {
  if (error instanceof EntrepotError) throw error;
  throw new EntrepotError('BUNDLE_INVALID', `cannot be read: ${reasonOf(error)}`, { file, cause: error });
}

/** Manifests first, then blobs, each sorted: the same contents give the same bytes. */
function planOf({ refs, contents, leftOut }: Brought, base: Base, request: ExportRequest): VolumePlan {
  const inOrder = [...contents].toSorted(([a, { mediaType: typeOfA }], [b, { mediaType: typeOfB }]) => {
    const isManifestFirst = Number(typeOfA === undefined) - Number(typeOfB === undefined);
    return isManifestFirst || (a < b ? -1 : 1);
  });
  const carried = inOrder.filter(([digest]) => !base.digests.has(digest));
  const omitted: Omitted[] = [
    ...[...contents.keys()]
      .filter((digest) => base.digests.has(digest))
      .map((digest) => ({ digest, why: 'base' as const })),
    ...[...leftOut].map((digest) => ({ digest, why: 'platform' as const })),
  ].toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const named = refs.toSorted((a, b) =>
    `${a.name} ${a.tag} ${a.digest}` < `${b.name} ${b.tag} ${b.digest}` ? -1 : 1,
  );
  const rest: Omit<BundleContents, 'volumes' | 'blobs'> = {
    ...(request.created !== undefined && { created: request.created }),
    base: base.ids,
    refs: named,
    omitted,
  };
  const here = new Map(carried);
  const ordered: PlannedContent[] = carried.map(([digest, { size, mediaType }]) => ({
    digest,
    size,
    mediaType,
  }));
  return planVolumes(ordered, rest, {
    volumeSize: request.volumeSize,
    files: (volumes) =>
      layoutFiles(named, here, {
        forDocker: request.forDocker && volumes === 1,
      }),
  });
}

interface Writing {
  readonly destination: Destination;
  readonly plan: VolumePlan;
  readonly brought: Brought;
}

async function write(
  { cache, clock, freeBytes = freeOnDisk }: ExportsDeps,
  { destination, plan, brought }: Writing,
  onProgress: (progress: ExportProgress) => void,
  signal: AbortSignal,
) {
  const { folder, name } = destination;
  const kept = await finishedVolumes(destination, plan, signal);
  const waiting = plan.volumes.filter(({ volume }) => !kept.has(volumeName(name, volume)));
  checkRoom(
    destination,
    waiting.reduce((sum, { bytes }) => sum + bytes, 0),
    freeBytes,
  );
  const source: VolumeSource = {
    async open({ digest, start, end }) {
      const content = brought.contents.get(digest);
      const blob = content && (await cache.open(content.image, digest));
      if (!blob) throw new EntrepotError('BUNDLE_UNWRITABLE', `${digest} is damaged or gone: try again`);
      return { stream: blob.stream(start, end), close: blob.close };
    },
  };
  const size = plan.volumes.reduce((sum, { bytes }) => sum + bytes, 0);
  const before = size - waiting.reduce((sum, { bytes }) => sum + bytes, 0);
  const since = clock.now();
  const sums = new Map(kept);
  let written = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  for (const planned of waiting) {
    const { volume } = planned;
    const tell = (bytes: number) => {
      written += bytes;
      if (clock.now() - toldAt < progressEvery) return;
      toldAt = clock.now();
      const at = { volume, volumes: plan.volumes.length, done: before + written, size, written };
      onProgress({ step: 'write', ...at, milliseconds: clock.now() - since });
    };
    const file = join(folder, volumeName(name, volume));
    try {
      sums.set(volumeName(name, volume), await writeVolume(file, planned, source, { signal, onBytes: tell }));
      await keepSums(destination, sums);
    } catch (error) {
      if (error instanceof EntrepotError || signal.aborted) throw error;
      throw unwritable(file, error);
    }
  }
  const inOrder = new Map(
    plan.volumes.map(({ volume }) => {
      const file = volumeName(name, volume);
      return [file, sums.get(file) ?? ''] as const;
    }),
  );
  try {
    await finishSums(destination, inOrder);
  } catch (error) {
    throw unwritable(folder, error);
  }
  return { sums: inOrder, kept: new Set(kept.keys()) };
}
