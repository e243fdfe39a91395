/** An image of an archive as reports show it. */
import type { Digest } from '../../oci/digest.ts';
import type { WantedRef } from './archive.ts';
import type { Closure } from './closure.ts';
import type { Stage } from './stage.ts';

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

/** Contents that are lacking are named up to this number. */
const maxExamples = 20;

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

/** `registry/repository:tag`, or `@digest` without a tag. */
export function referenceOf({ name, tag, digest }: WantedRef): string {
  return tag === null ? `${name}@${digest}` : `${name}:${tag}`;
}

/** The note on platforms that an index lists and the archive has not. */
export function platformNote(ref: WantedRef, platforms: readonly string[]): string {
  const shown = platforms.slice(0, maxExamples).join(', ');
  return `${ref.name}${ref.tag === null ? '' : `:${ref.tag}`}: the archive has not ${shown}`;
}
