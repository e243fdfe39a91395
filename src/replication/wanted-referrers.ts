/**
 * Which of the manifests that are attached to an image its block wants: all, or those of some artifact types. An entry of an old
 * fallback tag may not say its type: then its manifest does, which is the type of its config where it has none of its own (image-spec,
 * "Guidelines for Artifact Usage").
 */
import type { SyncBlock } from '../config/sync-config.ts';
import type { Digest } from '../oci/digest.ts';
import { type Descriptor, readManifest } from '../oci/manifest.ts';
import type { Pull } from '../pull/pull.ts';
import type { ImageName } from '../routing/target.ts';

export interface WantedReferrers {
  readonly digests: readonly Digest[];
  /** What could not be learned, in sentences. */
  readonly failures: readonly string[];
}

/** `children`: of a list of referrers, by the API or by the fallback tag. Rejects with bugs only. */
export async function wantedReferrers(
  pull: Pick<Pull, 'manifest'>,
  image: ImageName,
  children: readonly Descriptor[],
  wanted: SyncBlock['referrers'],
): Promise<WantedReferrers> {
  if (typeof wanted === 'string') return { digests: children.map(({ digest }) => digest), failures: [] };
  const digests: Digest[] = [];
  const failures: string[] = [];
  for (const child of children) {
    const type = child.artifactType ?? (await typeOf(pull, image, child));
    if (type === undefined)
      failures.push(`the type of ${child.digest}, which is attached, could not be read`);
    else if (wanted.includes(type)) digests.push(child.digest);
  }
  return { digests, failures };
}

async function typeOf(
  pull: Pick<Pull, 'manifest'>,
  image: ImageName,
  { digest }: Descriptor,
): Promise<string | undefined> {
  const { registry, repository } = image;
  const reference = { registry, repository, digest };
  const pulled = await pull.manifest({ kind: 'manifest', image, reference });
  if (!pulled.found) return undefined;
  const manifest = readManifest(pulled.value.bytes, pulled.value.mediaType);
  return 'problem' in manifest ? undefined : (manifest.artifactType ?? manifest.mediaType);
}
