/**
 * Brings a whole image from the stage into the cache: blobs, then manifests, each after what it lists; the last one with its tag. A kill in
 * between leaves content without a tag, and the next import goes on.
 */
import type { HostedContent } from '../../cache/hosted-content.ts';
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import type { WantedRef } from './archive.ts';
import type { Closure, Holdings } from './closure.ts';
import type { DiskStage } from './disk-stage.ts';

export interface SiteDeps {
  readonly stage: DiskStage;
  readonly content: HostedContent;
}

/** What the stage and the cache have. `base`: what the bundle leaves out because an earlier one brought it. */
export function siteHoldings({ stage, content }: SiteDeps, base: ReadonlySet<Digest>): Holdings {
  const importedTo = (digest: Digest) => (base.has(digest) ? content.importedTo(digest) : undefined);
  return {
    async manifest(image, digest) {
      const staged = await stage.read(digest);
      if (staged) return staged;
      const source = (await importedTo(digest)) ?? image;
      return (
        (await content.manifest(image, digest))?.bytes ?? (await content.manifest(source, digest))?.bytes
      );
    },
    async blob(image, digest) {
      const staged = await stage.find(digest);
      if (staged) return { size: staged.size };
      const isHere = (await content.serves(image, digest)) || (await importedTo(digest)) !== undefined;
      return isHere ? { size: undefined } : undefined;
    },
  };
}

/** Bytes of the image that it does not serve yet. */
export async function newBytes(
  image: string,
  { manifests, blobs }: Closure,
  { stage, content }: SiteDeps,
): Promise<number> {
  let sum = 0;
  for (const digest of [...blobs, ...manifests.map((one) => one.digest)]) {
    if (!(await content.serves(image, digest))) sum += (await stage.find(digest))?.size ?? 0;
  }
  return sum;
}

/** Resolves when tag and contents are durable. Rejects with EntrepotError DATA_UNUSABLE where there is no room. */
export async function putImage(
  ref: WantedRef,
  { manifests, blobs }: Closure,
  { stage, content }: SiteDeps,
  { holdings, cached }: { readonly holdings: Holdings; readonly cached: boolean },
): Promise<void> {
  const kept = { hosted: !cached, imported: true };

  async function putBlob(digest: Digest): Promise<void> {
    const file = await stage.file(digest);
    if (file) {
      const { size } = (await stage.find(digest)) ?? { size: 0 };
      await stage.show(digest);
      stage.release(digest);
      await content.commitBlob(ref.name, digest, size, file, kept);
      return;
    }
    if (!(await content.mountBlob(ref.name, digest, kept))) throw lost(digest);
  }

  for (const digest of blobs) await putBlob(digest);
  for (const { digest, mediaType } of manifests) {
    const bytes = await holdings.manifest(ref.name, digest);
    const manifest = bytes && readManifest(bytes, mediaType);
    if (!manifest || 'problem' in manifest) throw lost(digest);
    const tags = digest === ref.digest && ref.tag !== null ? [ref.tag] : [];
    stage.release(digest);
    await content.putManifest(ref.name, { digest, mediaType, bytes, manifest }, tags, kept);
  }
}

function lost(digest: Digest): EntrepotError {
  return new EntrepotError('DATA_UNUSABLE', `${digest} is not in the cache any more: import again`);
}
