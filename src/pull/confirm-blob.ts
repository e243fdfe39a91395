/**
 * Asks an image's own endpoints whether they have a blob, with a HEAD. If one has it, the image is linked.
 *
 * Only such an answer, or the blob itself from such an endpoint, links an image to a blob that came for another image. A manifest does
 * not: an account that may push to one repository could name any blob in one.
 */
import type { Cache, KnownDescriptor } from '../cache/cache.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageName } from '../routing/target.ts';
import { endpointKey } from '../upstream/endpoint.ts';
import type { UpstreamInForce } from '../upstream/upstream-in-force.ts';
import type { BlobHead, Pulled } from './pull.ts';

export interface ConfirmBlobDeps {
  readonly cache: Pick<Cache, 'link'>;
  readonly inForce: UpstreamInForce;
}

/** `described`: what the image's manifests say of the blob; the endpoint that gave the manifest is asked first. */
export type ConfirmBlob = (
  image: ImageName,
  digest: Digest,
  described: KnownDescriptor | undefined,
) => Promise<Pulled<BlobHead>>;

/** The link is written when the answer is there. */
export function createConfirmBlob({ cache, inForce }: ConfirmBlobDeps): ConfirmBlob {
  return async (image, digest, described) => {
    const repository = { registry: image.registry, repository: image.repository };
    const answer = await inForce.ask(
      { ...repository, digest },
      (upstream, signal) => upstream.headBlob(repository, digest, { prefer: described?.endpoint, signal }),
      {},
    );
    const { trail } = answer;
    if (!answer.ok) return { found: false, verdict: answer.verdict, trail };
    const endpoint = endpointKey(answer.endpoint);
    await cache.link(image.name, digest, endpoint);
    return { found: true, value: { digest, size: answer.value.size }, cache: 'fetched', endpoint, trail };
  };
}
