/**
 * Which bytes of a bundle lie in which volume, before one is written.
 *
 *   | entrepot-bundle.json | oci-layout | index.json | (manifest.json) | contents ... | two empty blocks |
 *
 * Contents go in their order. A blob that does not fit in what is left of a volume is cut there, unless what is left is too little to be
 * of use; a manifest is never cut. `entrepot-bundle.json` says where everything lies, and its own length depends on that: the plan is
 * made again with more space for it until it fits.
 */
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { maxManifestBytes } from '../../oci/manifest.ts';
import type { BundleBlob, BundleContents, BundlePart } from '../bundle-manifest.ts';
import { bundleId, printBundleManifest } from '../bundle-manifest.ts';
import { bundleManifestPath, contentPath, maxVolumes } from '../bundle-names.ts';

/** A content in the order in which it is written. */
export interface PlannedContent {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType?: string | undefined;
}

/** A small file of every volume. */
export interface LayoutFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

export interface VolumePlan {
  readonly contents: BundleContents;
  readonly bundle: Digest;
  readonly volumes: readonly PlannedVolume[];
}

export interface PlannedVolume {
  /** From 1. */
  readonly volume: number;
  readonly files: readonly LayoutFile[];
  readonly slices: readonly Slice[];
  /** Of the whole tar. */
  readonly bytes: number;
}

/** The bytes of a content from `start` to before `end`, as one entry. */
export interface Slice {
  readonly path: string;
  readonly digest: Digest;
  readonly start: number;
  readonly end: number;
}

const block = 512;
const tarEnd = 2 * block;
/** A shorter piece of a blob is not worth an entry of its own. */
const leastPart = 64 * 1024;
/** Room that a volume has at least for contents. */
const leastCapacity = 16 * 1024;

/** Bytes that an entry takes in a tar. A name of more than 100 bytes behind its last slash needs a header of its own (pax). */
export function entryBytes(path: string, size: number): number {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const header = name.length > 100 ? 3 * block : block;
  return header + Math.ceil(size / block) * block;
}

/** `files`: those of every volume but `entrepot-bundle.json`, given the number of volumes. Throws EntrepotError USAGE, BUNDLE_INVALID. */
export function planVolumes(
  ordered: readonly PlannedContent[],
  rest: Pick<BundleContents, 'base' | 'refs' | 'omitted' | 'created'>,
  {
    volumeSize,
    files,
  }: { readonly volumeSize: number; readonly files: (volumes: number) => readonly LayoutFile[] },
): VolumePlan {
  for (let reserved = block; ; ) {
    const fixed = (volumes: number) =>
      files(volumes).reduce((sum, { path, bytes }) => sum + entryBytes(path, bytes.length), 0);
    // A bundle of one volume may have one more file.
    const space = { first: fixed(1), later: fixed(2) };
    const capacity = volumeSize - tarEnd - reserved - Math.max(space.first, space.later);
    if (capacity < leastCapacity) throw tooSmall(volumeSize - capacity + maxManifestBytes);
    const blobs = distribute(ordered, capacity);
    const volumes = Math.max(1, ...blobs.map(({ parts }) => parts.at(-1)?.volume ?? 1));
    const contents: BundleContents = { volumes, ...rest, blobs };
    const bundle = bundleId(contents);
    const needed = entryBytes(bundleManifestPath, printBundleManifest(contents, bundle, volumes).length);
    if (needed <= reserved) return { contents, bundle, volumes: volumesOf(contents, bundle, files(volumes)) };
    reserved = needed;
  }
}

function distribute(ordered: readonly PlannedContent[], capacity: number): readonly BundleBlob[] {
  let volume = 1;
  let room = capacity;
  const turn = () => {
    volume += 1;
    if (volume > maxVolumes) {
      const message = `the bundle would have more than ${maxVolumes} volumes: use a larger --volume-size`;
      throw new EntrepotError('USAGE', message);
    }
    room = capacity;
  };
  return ordered.map(({ digest, size, mediaType }) => {
    const known = { digest, size, ...(mediaType !== undefined && { mediaType }) };
    const whole = entryBytes(contentPath(digest), size);
    if (mediaType !== undefined) {
      if (whole > capacity) throw tooSmall(whole + 2 * maxManifestBytes);
      if (whole > room) turn();
    }
    const parts: BundlePart[] = [];
    for (let left = size; ; ) {
      if (parts.length === 0 && whole <= room) {
        room -= whole;
        parts.push({ volume, size });
        break;
      }
      const piece = contentPath(digest, parts.length + 1);
      const fits = Math.floor((room - entryBytes(piece, 0)) / block) * block;
      if (fits < Math.min(left, leastPart) && room < capacity) {
        turn();
        continue;
      }
      const taken = Math.min(left, fits);
      parts.push({ volume, size: taken });
      room -= entryBytes(piece, taken);
      left -= taken;
      if (left === 0) break;
      turn();
    }
    return { ...known, parts };
  });
}

function volumesOf(
  contents: BundleContents,
  bundle: Digest,
  files: readonly LayoutFile[],
): readonly PlannedVolume[] {
  const slices: Slice[][] = Array.from({ length: contents.volumes }, () => []);
  for (const { digest, parts } of contents.blobs) {
    let start = 0;
    for (const [at, { volume, size }] of parts.entries()) {
      const path = contentPath(digest, parts.length === 1 ? undefined : at + 1);
      slices[volume - 1]?.push({ path, digest, start, end: start + size });
      start += size;
    }
  }
  return slices.map((own, at) => {
    const manifest = { path: bundleManifestPath, bytes: printBundleManifest(contents, bundle, at + 1) };
    const all = [manifest, ...files];
    const bytes =
      all.reduce((sum, file) => sum + entryBytes(file.path, file.bytes.length), 0) +
      own.reduce((sum, { path, start, end }) => sum + entryBytes(path, end - start), tarEnd);
    return { volume: at + 1, files: all, slices: own, bytes };
  });
}

function tooSmall(needed: number): EntrepotError {
  const message = `--volume-size is too small for this bundle: give it at least ${Math.ceil(needed / 2 ** 20)}MiB`;
  return new EntrepotError('USAGE', message);
}
