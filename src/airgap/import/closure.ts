/**
 * All that an image needs, and what of it is lacking. A tag is set only once nothing is.
 *
 *   the bytes came with an import ................ here
 *   the image serves the content already ......... here
 *   the bundle leaves it out as "base", and an
 *   import brought it to any image of this site .. here
 *   the bundle leaves it out as "platform" ....... not needed
 *   a platform of an index that another tool left
 *   out, while another child is there ............ not needed, and named in a note
 *   anything else ................................ lacking
 *
 * That a digest is stored here counts for nothing: it may be private content of another image, and any manifest can name it.
 */
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { type Descriptor, isAmbiguous, type Manifest, readManifest } from '../../oci/manifest.ts';
import { isManifestType, isSchema1Type } from '../../oci/media-types.ts';
import type { WantedRef } from './archive.ts';

/** What there is for one image. */
export interface Holdings {
  manifest(image: string, digest: Digest): Promise<Uint8Array | undefined>;
  /** Bytes of a blob, where they are known; undefined where it is lacking. */
  blob(image: string, digest: Digest): Promise<{ readonly size: number | undefined } | undefined>;
}

export interface ClosureRules {
  /** Left out on purpose. */
  readonly omitted: ReadonlySet<Digest>;
  /** An archive that says nothing of what it leaves out: platforms may be lacking. */
  readonly mayLackPlatforms: boolean;
  /** Of one archive: images that share their contents look at them again. */
  readonly visits: Visits;
}

export interface Visits {
  count: number;
}

export interface FoundManifest {
  readonly digest: Digest;
  readonly mediaType: string;
}

export interface Closure {
  /** What they list comes before them. */
  readonly manifests: readonly FoundManifest[];
  readonly blobs: readonly Digest[];
  readonly lacking: readonly Digest[];
  /** Platforms of an index that the archive has not. */
  readonly absentPlatforms: readonly string[];
}

/** Indexes in indexes; real ones have two. */
const maxDepth = 8;
/** Manifests and blobs of one image. */
const maxContents = 100_000;
/** The same for all images of an archive, counted for each image. Mirrors of whole registries have some hundred thousand. */
const maxVisits = 3_000_000;

/** `file`: for messages. Throws EntrepotError BUNDLE_INVALID for a manifest that is none. */
export async function closureOf(
  ref: WantedRef,
  holdings: Holdings,
  { omitted, mayLackPlatforms, visits }: ClosureRules,
  file: string,
): Promise<Closure> {
  const manifests = new Map<Digest, FoundManifest>();
  const blobs = new Set<Digest>();
  const lacking = new Set<Digest>();
  const absentPlatforms = new Set<string>();
  /** Whether all of a manifest is here. */
  const known = new Map<Digest, boolean>();
  const fail = (digest: Digest, problem: string): never => {
    throw new EntrepotError('BUNDLE_INVALID', `${digest} ${problem}`, { file });
  };

  async function visit(digest: Digest, type: string, depth: number): Promise<boolean> {
    const before = known.get(digest);
    if (before !== undefined) return before;
    if (depth > maxDepth) fail(digest, `lies in more than ${maxDepth} indexes`);
    if (known.size + blobs.size > maxContents) fail(ref.digest, `lists more than ${maxContents} contents`);
    known.set(digest, true);
    countVisit();
    const bytes = await holdings.manifest(ref.name, digest);
    if (!bytes) {
      lacking.add(digest);
      known.set(digest, false);
      return false;
    }
    const manifest = readChecked(digest, bytes, type);
    let isWhole = true;
    const gone: Descriptor[] = [];
    for (const child of manifest.children) {
      if (child.isElsewhere || omitted.has(child.digest)) continue;
      if (!isManifestType(child.mediaType)) isWhole = (await visitBlob(child)) && isWhole;
      else if (mayLackPlatforms && !(await holdings.manifest(ref.name, child.digest))) gone.push(child);
      else isWhole = (await visit(child.digest, child.mediaType, depth + 1)) && isWhole;
    }
    // With no platform at all the archive is not one that was made for some platforms.
    const hasSome = manifest.children.length > gone.length;
    for (const { digest: child, platform } of gone) {
      if (hasSome) absentPlatforms.add(platform ?? child);
      else lacking.add(child);
    }
    manifests.set(digest, { digest, mediaType: manifest.mediaType });
    known.set(digest, isWhole && (hasSome || gone.length === 0));
    return known.get(digest) === true;
  }

  function countVisit(): void {
    visits.count += 1;
    if (visits.count > maxVisits)
      fail(ref.digest, `and the other images list more than ${maxVisits} contents`);
  }

  async function visitBlob({ digest, size }: Descriptor): Promise<boolean> {
    countVisit();
    const found = await holdings.blob(ref.name, digest);
    if (found?.size !== undefined && found.size !== size)
      fail(digest, `has ${found.size} bytes, and its manifest says ${size}`);
    (found ? blobs : lacking).add(digest);
    return found !== undefined;
  }

  function readChecked(digest: Digest, bytes: Uint8Array, type: string): Manifest {
    const manifest = readManifest(bytes, type);
    if ('problem' in manifest) return fail(digest, `is no manifest: it ${manifest.problem}`);
    if (isSchema1Type(manifest.mediaType)) fail(digest, 'is a manifest of schema 1, which is not taken');
    if (isAmbiguous(bytes)) fail(digest, 'lists both images and layers');
    return manifest;
  }

  await visit(ref.digest, ref.mediaType ?? '', 1);
  return {
    manifests: [...manifests.values()],
    blobs: [...blobs],
    lacking: [...lacking],
    absentPlatforms: [...absentPlatforms],
  };
}
