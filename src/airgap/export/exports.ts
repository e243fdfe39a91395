/**
 * `entrepot export`: brings what is wanted here, plans all volumes, and gives them to what writes them.
 *
 *   wanted-images --> bring-images --> volume-plan --> volume-bytes --> write-bundle, in the process of the command
 *   what is meant     whole and held   what lies where   tars           FILE.partial, then FILE
 */
import { basename } from 'node:path';
import type { Cache } from '../../cache/cache.ts';
import { EntrepotError } from '../../errors.ts';
import type { ByteStream } from '../../lib/bytes/byte-stream.ts';
import { KeyedLock } from '../../lib/flow/keyed-lock.ts';
import type { Digest } from '../../oci/digest.ts';
import type { BundleContents, Omitted } from '../bundle-manifest.ts';
import { volumeName } from '../bundle-names.ts';
import { printSums } from '../volume-sums.ts';
import { type BringDeps, type Brought, bringImages } from './bring-images.ts';
import type {
  ExportOptions,
  ExportReport,
  ExportRequest,
  Exports,
  PreparedBundle,
} from './export-request.ts';
import { layoutFiles } from './layout-files.ts';
import { type VolumeSource, volumeBytes } from './volume-bytes.ts';
import { type PlannedContent, planVolumes, type VolumePlan } from './volume-plan.ts';
import { type WantedImagesDeps, wantedImages } from './wanted-images.ts';

export interface ExportsDeps extends WantedImagesDeps, Omit<BringDeps, 'admin' | 'cache'> {
  readonly cache: BringDeps['cache'] & Pick<Cache, 'open'>;
  readonly admin: WantedImagesDeps['admin'] & BringDeps['admin'];
}

/** One export to one path at a time. */
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
  { onProgress, signal, write }: ExportOptions,
): Promise<ExportReport> {
  const { isDryRun, referrers } = request;
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
    const notes = [...wanted.notes, ...request.base.notes, ...brought.notes];
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
    const plan = planOf(brought, request);
    const prepared = preparedBundle(deps, plan, brought, basename(request.to));
    const written = isDryRun ? [] : await write(prepared);
    const ends = new Map(written.map((one) => [one.file, one]));
    const { omitted, blobs } = plan.contents;
    const volumes = prepared.volumes.map(({ file, bytes }) => {
      const { sha256 = null, isKept = false } = ends.get(file) ?? {};
      return { file, bytes, sha256, isKept };
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
      sums: printSums(new Map(written.map(({ file, sha256 }) => [file, sha256]))),
      failures,
      notes,
    };
  } finally {
    brought.release();
  }
}

/** Manifests first, then blobs, each sorted: the same contents give the same bytes. */
function planOf({ refs, contents, leftOut }: Brought, request: ExportRequest): VolumePlan {
  const base = { ids: request.base.ids, digests: new Set(request.base.digests) };
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

function preparedBundle(
  { cache }: Pick<ExportsDeps, 'cache'>,
  plan: VolumePlan,
  brought: Brought,
  name: string,
): PreparedBundle {
  const right = new Set<Digest>();
  const damaged = (digest: Digest, cause?: unknown) =>
    new EntrepotError(
      'BUNDLE_UNWRITABLE',
      `${digest} is damaged or gone: the same command fetches it again`,
      { cause },
    );

  function told(digest: Digest, inner: ByteStream): ByteStream {
    const next = () => inner.next().catch((error: unknown) => Promise.reject(damaged(digest, error)));
    return { next, close: () => inner.close() };
  }

  /** A part is not hashed on its way out, so a content that is cut is read whole before its first part. */
  async function verify(digest: Digest, whole: ByteStream): Promise<void> {
    try {
      while (await whole.next());
      right.add(digest);
    } finally {
      whole.close();
    }
  }

  const source: VolumeSource = {
    async open({ digest, start, end }) {
      const content = brought.contents.get(digest);
      const blob = content && (await cache.open(content.image, digest));
      if (!blob) throw damaged(digest);
      try {
        const isPart = end - start < content.size;
        if (isPart && !right.has(digest)) await verify(digest, told(digest, blob.stream(0, content.size)));
      } catch (error) {
        blob.close();
        throw error;
      }
      return { stream: told(digest, blob.stream(start, end)), close: blob.close };
    },
  };
  return {
    bundle: plan.bundle,
    volumes: plan.volumes.map(({ volume, bytes }) => ({ volume, file: volumeName(name, volume), bytes })),
    read(volume) {
      const planned = plan.volumes[volume - 1];
      if (!planned) throw new EntrepotError('USAGE', `the bundle has no volume ${volume}`);
      return volumeBytes(planned, source);
    },
  };
}
