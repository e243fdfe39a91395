/**
 * Fetches content again after its file was found damaged. It is pulled by digest, as by a client, for each image that links it in turn,
 * until one pull succeeds. The tags and links of the content are still in the index, so it is then served as before. If no
 * image's endpoints have the content any more, the index forgets it, unless it is hosted: then a push may bring it back.
 */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { DamagedContent } from '../cache/integrity/damaged-content.ts';
import { reasonOf } from '../lib/thrown.ts';
import { hostOf, parseRepository } from '../oci/reference.ts';
import type { Pull } from '../pull/pull.ts';

export interface RepairDeps {
  readonly cache: Pick<CacheAdmin, 'imagesOf' | 'isStored' | 'forget'>;
  readonly pull: Pick<Pull, 'ensure'>;
  /** Whether the configuration names this registry, or keeps the repository here. */
  readonly isListed: (registry: string, repository: string) => boolean;
}

export type Repair =
  | {
      readonly repaired: true;
      /** `registry/repository` that it was pulled for. */
      readonly image: string;
    }
  | {
      readonly repaired: false;
      /** An image that links it, if there is one. */
      readonly image: string | null;
      readonly failure: string;
    };

/** Images that `failure` names, each with its reason. */
const mostNamed = 3;

/** The result never throws. An aborted repair forgets nothing. */
export function createRepair(
  deps: RepairDeps,
): (
  loss: Pick<DamagedContent, 'digest' | 'isManifest' | 'keepsFile' | 'isHosted'>,
  signal: AbortSignal,
) => Promise<Repair> {
  const { cache, pull } = deps;

  /** Pulls the content for one image. Gives the reason that counts if it is not stored afterwards. */
  async function attempt(
    name: string,
    { digest, isManifest }: Pick<DamagedContent, 'digest' | 'isManifest'>,
    signal: AbortSignal,
  ): Promise<string> {
    const registry = hostOf(name);
    const repository = parseRepository(name.slice(registry.length + 1));
    if (!repository || !deps.isListed(registry, repository))
      return 'its registry is not listed in registries.conf';
    const image = { registry, repository, name };
    const reference = { registry, repository, digest };
    const ensured = await pull.ensure(
      isManifest ? { kind: 'manifest', image, reference } : { kind: 'blob', image, digest },
      { signal },
    );
    return ensured.ok ? 'it was fetched but cannot be kept in the cache' : ensured.reason;
  }

  return async (loss, signal) => {
    const { digest } = loss;
    const images = await cache.imagesOf(digest);
    const failures: string[] = [];
    for (const image of images) {
      if (signal.aborted) break;
      const failure = await attempt(image, loss, signal).catch((error: unknown) => reasonOf(error));
      if (await cache.isStored(digest)) return { repaired: true, image };
      failures.push(`${image}: ${failure}`);
    }
    // A repair that was aborted has not asked for every image.
    if (!signal.aborted && !loss.keepsFile && !loss.isHosted) await cache.forget(digest);
    const more = failures.length - mostNamed;
    const failure = [
      ...failures.slice(0, mostNamed),
      ...(more > 0 ? [`nor for ${more} more images`] : []),
    ].join('; ');
    return { repaired: false, image: images[0] ?? null, failure: failure || 'no image links it' };
  };
}
