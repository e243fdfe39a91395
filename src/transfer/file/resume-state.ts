/**
 * Where a transfer of a blob begins: with nothing, or with the bytes that an earlier transfer of the same image has left on disk
 * (`cache/incoming/partial-file.ts` has their format).
 */
import { hash } from 'node:crypto';
import { type IncomingFolder, ownerLength } from '../../cache/incoming/incoming-folder.ts';
import type { PartialFile } from '../../cache/incoming/partial-file.ts';
import type { Digest } from '../../oci/digest.ts';
import type { ByteSource } from '../fetch/byte-source.ts';
import { RangeSet } from './range-set.ts';

/** The file that a transfer fills, and what is in it already. */
export interface ResumeState {
  readonly file: PartialFile;
  /** Bytes that are in the file; empty for a new blob. */
  readonly ranges: RangeSet;
  /** Bytes of the whole blob, as the earlier run knew it. */
  readonly size: number | undefined;
}

/** The file that holds the bytes that this image's endpoints, as they are now, have given of the blob. */
export function partialFileOf(
  incoming: IncomingFolder,
  digest: Digest,
  { image, endpointSet }: Pick<ByteSource, 'image' | 'endpointSet'>,
): PartialFile {
  return incoming.partial(digest, hash('sha256', `${image}\n${endpointSet}`, 'hex').slice(0, ownerLength));
}

/** Reads what is saved. `declared`: bytes that the blob has according to the image's manifest. Bytes of a blob of another size are not used. */
export function findResumeState(file: PartialFile, declared?: number): ResumeState {
  const saved = file.load();
  const length = file.length ?? 0;
  const fits = declared === undefined || (saved?.size ?? declared) === declared;
  if (!saved || length === 0 || !fits) return { file, ranges: new RangeSet(), size: undefined };
  const ranges = saved.ranges.map(([start, end]) => ({ start, end: Math.min(end, length) }));
  return { file, ranges: new RangeSet(ranges), size: saved.size };
}
