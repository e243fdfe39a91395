/**
 * `entrepot import --verify`: reads archives as an import does, hashes all, looks whether each image is whole, and writes nothing. It needs
 * no data folder, so what a bundle leaves out as "base" counts as being there.
 */
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ReadOptions } from './archive.ts';
import { closureOf, type Holdings } from './closure.ts';
import { createDryStage } from './dry-stage.ts';
import { describeImage, type ImportedImage, missingVolumes, platformNote } from './imported-image.ts';
import { wantedOf } from './imports.ts';
import type { Wanted } from './pending.ts';
import { readArchive, type Volume } from './read-archive.ts';

export interface VerifyReport {
  readonly images: readonly ImportedImage[];
  /** What is wrong with archives; each names its file. */
  readonly problems: readonly string[];
  readonly notes: readonly string[];
  /** Contents that the archives rely on being there. */
  readonly assumed: number;
}

/** Reads volumes one after the other. Throws EntrepotError USAGE where an archive lacks names. */
export async function verifyVolumes(volumes: Iterable<Volume>, options: ReadOptions): Promise<VerifyReport> {
  const stage = createDryStage();
  const wanted = new Map<string, Wanted>();
  const problems: string[] = [];
  const notes: string[] = [];
  for (const volume of volumes) {
    try {
      const archive = await readArchive(volume, stage, options);
      const one = wantedOf(archive, volume.file, {});
      wanted.set(one.key, one);
      notes.push(...archive.notes);
    } catch (error) {
      if (!(error instanceof EntrepotError) || error.code !== 'BUNDLE_INVALID') throw error;
      problems.push(error.located);
    }
  }
  const holdings: Holdings = {
    manifest: (_, digest) => stage.read(digest),
    blob: (_, digest) => stage.find(digest),
  };
  const images: ImportedImage[] = [];
  const assumed = new Set<Digest>();
  for (const one of wanted.values()) {
    const { refs, file, mayLackPlatforms } = one;
    const omitted = new Set(one.omitted.map(({ digest }) => digest));
    const places = new Map(one.places);
    const visits = { count: 0 };
    for (const { digest, why } of one.omitted) if (why === 'base') assumed.add(digest);
    for (const ref of refs.filter(({ digest }) => !omitted.has(digest))) {
      try {
        const closure = await closureOf(ref, holdings, { omitted, mayLackPlatforms, visits }, file);
        images.push(describeImage(ref, closure, await missingVolumes(stage, places, closure)));
        if (closure.absentPlatforms.length > 0) notes.push(platformNote(ref, closure.absentPlatforms));
      } catch (error) {
        if (!(error instanceof EntrepotError)) throw error;
        problems.push(error.located);
      }
    }
  }
  return { images, problems, notes, assumed: assumed.size };
}
