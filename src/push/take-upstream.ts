/**
 * What a pushed manifest lists and only an endpoint of the image has. It is fetched before the push is answered: a client asks by HEAD
 * what it need not send, the endpoints' contents count there, and the registry of a copied image may be gone a moment later. So a
 * client can also push an index of which only one platform is new.
 */
import type { HostedContent, Kept } from '../cache/hosted-content.ts';
import type { Descriptor } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import type { Pull } from '../pull/pull.ts';
import type { BlobTarget, ImageName, ManifestTarget } from '../routing/target.ts';

export interface TakeUpstreamDeps {
  readonly pull: Pick<Pull, 'ensure'>;
  readonly content: Pick<HostedContent, 'mountBlob'>;
}

/**
 * Whether an endpoint of this image has the content. It is stored then, and linked as `kept` says, unless there is no room. Once `signal`
 * is aborted nothing more is waited for; what has come of a blob is kept, and a later call goes on from there.
 */
export type TakeUpstream = (
  image: ImageName,
  descriptor: Descriptor,
  kept: Kept,
  signal: AbortSignal,
) => Promise<boolean>;

/** By way of `pull`. False as well where the content breaks off: the client may then send it itself. */
export function createTakeUpstream({ pull, content }: TakeUpstreamDeps): TakeUpstream {
  async function isTaken(
    image: ImageName,
    { digest, mediaType }: Descriptor,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { registry, repository } = image;
    const target: ManifestTarget | BlobTarget = isManifestType(mediaType)
      ? { kind: 'manifest', image, reference: { registry, repository, digest } }
      : { kind: 'blob', image, digest };
    const ensured = await pull.ensure(target, { signal }).catch(() => undefined);
    return ensured !== undefined && (ensured.ok || ensured.how === 'notKept');
  }

  return async (image, descriptor, kept, signal) => {
    if (!(await isTaken(image, descriptor, signal))) return false;
    await content.mountBlob(image.name, descriptor.digest, kept);
    return true;
  };
}
