/** Writes the volumes of a bundle that are not there yet, and their sums. */
import { join } from 'node:path';
import { EntrepotError } from '../../errors.ts';
import { freeOnDisk } from '../../lib/disk-space.ts';
import {
  checkRoom,
  type Destination,
  finishedVolumes,
  finishSums,
  keepSums,
  unwritable,
} from './destination.ts';
import type { ExportProgress, WriteBundle } from './export-request.ts';
import { writeVolume } from './volume-writer.ts';

export interface BundleWriting {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ExportProgress) => void;
  readonly freeBytes?: ((folder: string) => number) | undefined;
  /** ms. */
  readonly now?: () => number;
}

/** ms between two words about the progress. */
const progressEvery = 250;

/** The function rejects with EntrepotError BUNDLE_UNWRITABLE, and with what reading the bundle throws. */
export function createWriteBundle(
  destination: Destination,
  { signal, onProgress, freeBytes = freeOnDisk, now = () => performance.now() }: BundleWriting,
): WriteBundle {
  const { folder } = destination;
  return async ({ bundle, volumes, read }) => {
    const kept = await finishedVolumes(destination, { bundle, volumes }, signal);
    const waiting = volumes.filter(({ file }) => !kept.has(file));
    const left = waiting.reduce((sum, { bytes }) => sum + bytes, 0);
    checkRoom(destination, left, freeBytes);
    const size = volumes.reduce((sum, { bytes }) => sum + bytes, 0);
    const begun = now();
    const sums = new Map(kept);
    let written = 0;
    let toldAt = Number.NEGATIVE_INFINITY;
    for (const { volume, file, bytes } of waiting) {
      const onBytes = (more: number) => {
        written += more;
        if (now() - toldAt < progressEvery) return;
        toldAt = now();
        const at = { volume, volumes: volumes.length, done: size - left + written, size, written };
        onProgress({ step: 'write', ...at, milliseconds: now() - begun });
      };
      const path = join(folder, file);
      try {
        sums.set(file, await writeVolume(path, read(volume), bytes, { signal, onBytes }));
        await keepSums(destination, sums);
      } catch (error) {
        if (error instanceof EntrepotError || signal.aborted) throw error;
        throw unwritable(path, error);
      }
    }
    const inOrder = new Map(volumes.map(({ file }) => [file, sums.get(file) ?? ''] as const));
    try {
      await finishSums(destination, inOrder);
    } catch (error) {
      throw unwritable(folder, error);
    }
    return [...inOrder].map(([file, sha256]) => ({ file, sha256, isKept: kept.has(file) }));
  };
}
