/**
 * Brings a whole image from the stage into the cache: blobs, then manifests, each after what it lists; the last one with its tag. A kill in
 * between leaves content without a tag, and the next import goes on.
 */
import type { HostedContent } from '../../cache/hosted-content.ts';
import { EntrepotError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { readManifest } from '../../oci/manifest.ts';
import { hostOf, parseRepository } from '../../oci/reference.ts';
import type { Pull } from '../../pull/pull.ts';
import type { WantedRef } from './archive.ts';
import type { Closure, Holdings } from './closure.ts';
import type { DiskStage } from './disk-stage.ts';

export interface SiteDeps {
  readonly stage: DiskStage;
  readonly content: HostedContent;
  readonly pull: Pick<Pull, 'ensure'>;
  /** Whether the configuration names this registry, or keeps the repository here. */
  readonly isListed: (registry: string, repository: string) => boolean;
}

/** What the stage and the cache have. `base`: what the bundle leaves out because an earlier one brought it. */
export function siteHoldings(site: SiteDeps, base: ReadonlySet<Digest>): Holdings {
  const { stage, content } = site;
  const importedTo = (digest: Digest) => (base.has(digest) ? content.importedTo(digest) : undefined);

  /** One that had to make room comes back from its bucket. */
  async function manifestOf(image: string, digest: Digest): Promise<Uint8Array | undefined> {
    const known = await content.manifest(image, digest);
    if (known || !(await content.isPlaced(digest)) || !(await content.serves(image, digest)))
      return known?.bytes;
    await ensureManifest(image, digest, site);
    return (await content.manifest(image, digest))?.bytes;
  }

  return {
    async manifest(image, digest) {
      const staged = await stage.read(digest);
      if (staged) return staged;
      const known = await manifestOf(image, digest);
      const source = known ? undefined : await importedTo(digest);
      return source === undefined ? known : await manifestOf(source, digest);
    },
    async blob(image, digest) {
      const staged = await stage.find(digest);
      if (staged) return { size: staged.size };
      const isHere = (await content.serves(image, digest)) || (await importedTo(digest)) !== undefined;
      return isHere ? { size: undefined } : undefined;
    },
  };
}

/** What cannot be had is lacking. */
async function ensureManifest(name: string, digest: Digest, { pull, isListed }: SiteDeps): Promise<void> {
  const registry = hostOf(name);
  const repository = parseRepository(name.slice(registry.length + 1));
  if (!repository || !isListed(registry, repository)) return;
  const reference = { registry, repository, digest };
  await pull.ensure({ kind: 'manifest', image: { registry, repository, name }, reference });
}

/** Bytes of the image that it does not serve yet. */
export async function newBytes(
  image: string,
  { manifests, blobs }: Closure,
  { stage, content }: Pick<SiteDeps, 'stage' | 'content'>,
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
  { stage, content }: Pick<SiteDeps, 'stage' | 'content'>,
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
