/**
 * Hosted content comes back from a bucket, or from the disk of another replica: its file had to make room, was damaged, or never was on this
 * replica. No registry is asked. The image must be linked to it; neither a bucket nor a disk gives anything to an image.
 */
import type { Digest } from '../oci/digest.ts';
import type { BlobTarget, ManifestTarget } from '../routing/target.ts';
import type { UpstreamInForce } from '../upstream/upstream-in-force.ts';
import { createBlobSource } from './blob-source.ts';
import { createEnsure } from './ensure.ts';
import { createFetchManifest, type FetchManifestDeps } from './fetch-manifest.ts';
import { createOpenTransfer, type KnownBlob, type OpenTransferDeps } from './open-transfer.ts';
import type { BlobContent, BlobHead, ManifestContent, Pull, Pulled } from './pull.ts';

export interface Recall {
  manifest(target: ManifestTarget, digest: Digest): Promise<Pulled<ManifestContent>>;
  /** From the cache, else as above. */
  here(image: string, digest: Digest): Promise<ManifestContent | undefined>;
  headBlob(target: BlobTarget): Promise<Pulled<BlobHead>>;
  blob(target: BlobTarget): Promise<Pulled<BlobContent>>;
  /** Of a digest. */
  readonly ensure: Pull['ensure'];
}

/** Where nothing is asked: there is nothing to ask, or the image is not linked. */
const absent: Pulled<never> = { found: false, verdict: { kind: 'notFound', isLocal: true }, trail: [] };

/** Its functions reject with bugs only, and `ensure` with the reason of its signal. */
export function createRecall(
  deps: FetchManifestDeps & OpenTransferDeps & { readonly inForce: UpstreamInForce },
): Recall {
  const { cache, inForce } = deps;
  const fetching = createFetchManifest(deps);
  const transfer = createOpenTransfer(deps, async () => absent);

  function orAbsent<T>(pulled: Pulled<T>): Pulled<T> {
    return pulled.found || pulled.trail.length > 0 ? pulled : absent;
  }

  async function locate({
    image,
    digest,
  }: BlobTarget): Promise<KnownBlob | (Pulled<never> & { found: false })> {
    const { linked, described } = await cache.find(image.name, digest);
    if (!linked) return absent as Pulled<never> & { found: false };
    const source = createBlobSource(deps, image, digest, 'only');
    return { source, described, size: described?.size, confirmed: undefined, isLinked: true };
  }

  async function manifest({ image }: ManifestTarget, digest: Digest) {
    return orAbsent(await fetching.recall(image.name, digest));
  }

  async function blob(target: BlobTarget): Promise<Pulled<BlobContent>> {
    const located = await locate(target);
    return 'found' in located ? located : orAbsent(await transfer.answer(target, located));
  }

  return {
    manifest,
    async here(image, digest) {
      const cached = await cache.manifest(image, digest);
      if (cached) return cached;
      const recalled = await fetching.recall(image, digest);
      return recalled.found ? recalled.value : undefined;
    },
    async headBlob(target) {
      const { image, digest } = target;
      const { linked, described } = await cache.find(image.name, digest);
      if (!linked) return absent;
      const repository = { registry: image.registry, repository: image.repository };
      const asked = await inForce.ask(
        { ...repository, digest },
        (upstream, signal) => upstream.headBlob(repository, digest, { buckets: 'only', signal }),
        {},
      );
      if (!asked.ok) return orAbsent({ found: false, verdict: asked.verdict, trail: asked.trail });
      const size = asked.value.size ?? described?.size;
      if (size !== undefined)
        return { found: true, value: { digest, size }, cache: 'hit', trail: asked.trail };
      const opened = await blob(target);
      if (opened.found) opened.value.close();
      return opened;
    },
    blob,
    ensure: createEnsure({
      cache,
      manifest: async (target) =>
        target.reference.digest === undefined ? absent : manifest(target, target.reference.digest),
      blobs: { locate, admit: transfer.admit },
    }),
  };
}
