/**
 * Brings a content back whose file was damaged: pulled again by its digest, as a client of an image that links it would, for one
 * image after the other until it is here. Its tags and links have waited for it, so then all is served as before.
 * Where nobody has it any more it is given up, once and for all.
 */
import type { CacheAdmin } from '../cache/cache-admin.ts';
import type { Loss } from '../cache/integrity/damaged-content.ts';
import { parseRepository } from '../oci/reference.ts';
import { takeBlob } from '../pull/drain-blob.ts';
import type { Pull } from '../pull/pull.ts';
import { reasonOf } from '../pull/verdict-text.ts';
import type { Transfers } from '../transfer/transfers.ts';

export interface RepairDeps {
  readonly cache: Pick<CacheAdmin, 'imagesOf' | 'isStored' | 'forget'>;
  readonly pull: Pick<Pull, 'manifest' | 'blob'>;
  readonly transfers: Pick<Transfers, 'settled'>;
  /** Whether the configuration names this registry. */
  readonly isListed: (registry: string) => boolean;
}

export type Repair =
  | { readonly repaired: true /** `registry/repository` that it was pulled for. */; readonly image: string }
  | {
      readonly repaired: false /** One that links it. */;
      readonly image: string | null;
      readonly failure: string;
    };

/** Images whose failures are told. */
const mostTold = 3;

export function createRepair(
  deps: RepairDeps,
): (loss: Pick<Loss, 'digest' | 'isManifest' | 'keepsFile'>, signal: AbortSignal) => Promise<Repair> {
  const { cache, pull, transfers } = deps;

  /** Gives why it is not here. */
  async function attempt(
    name: string,
    { digest, isManifest }: Pick<Loss, 'digest' | 'isManifest'>,
  ): Promise<string> {
    const registry = name.slice(0, name.indexOf('/'));
    const repository = parseRepository(name.slice(registry.length + 1));
    if (!repository || !deps.isListed(registry)) return 'its registry is not listed in registries.conf';
    const image = { registry, repository, name };
    if (isManifest) {
      const reference = { registry, repository, digest };
      const pulled = await pull.manifest({ kind: 'manifest', image, reference });
      if (!pulled.found) return reasonOf(pulled.verdict, pulled.trail);
    } else {
      const taken = await takeBlob(pull, { kind: 'blob', image, digest });
      if (!taken.ok) return taken.reason;
      await transfers.settled(digest);
    }
    return 'it was fetched but cannot be kept';
  }

  return async (loss, signal) => {
    const { digest } = loss;
    const images = cache.imagesOf(digest);
    const failures: string[] = [];
    for (const image of images) {
      if (signal.aborted) break;
      const failure = await attempt(image, loss).catch((error: unknown) =>
        error instanceof Error ? error.message : String(error),
      );
      if (cache.isStored(digest)) return { repaired: true, image };
      failures.push(`${image}: ${failure}`);
    }
    // Who was told to stop has not asked everybody.
    if (!signal.aborted && !loss.keepsFile) cache.forget(digest);
    const more = failures.length - mostTold;
    const failure = [
      ...failures.slice(0, mostTold),
      ...(more > 0 ? [`nor for ${more} images more`] : []),
    ].join('; ');
    return { repaired: false, image: images[0] ?? null, failure: failure || 'no image links it' };
  };
}
