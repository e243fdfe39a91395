/**
 * What a pushed manifest lists and only an endpoint of the image has. It is fetched before the push is answered: a client asks by HEAD
 * what it need not send, the endpoints' contents count there, and the registry of a copied image may be gone a moment later. So a
 * client can also push an index of which only one platform is new.
 */
import type { HostedContent, Kept } from '../cache/hosted-content.ts';
import type { Descriptor } from '../oci/manifest.ts';
import { isManifestType } from '../oci/media-types.ts';
import { takeBlob } from '../pull/drain-blob.ts';
import type { Pull } from '../pull/pull.ts';
import type { ImageName } from '../routing/target.ts';
import type { Transfers } from '../transfer/transfers.ts';

export interface TakeUpstreamDeps {
  readonly pull: Pick<Pull, 'manifest' | 'blob'>;
  readonly transfers: Pick<Transfers, 'settled'>;
  readonly content: Pick<HostedContent, 'mountBlob'>;
}

/** Whether an endpoint of this image has the content. It is stored then, and linked as `kept` says, unless there is no room. */
export type TakeUpstream = (image: ImageName, descriptor: Descriptor, kept: Kept) => Promise<boolean>;

/** By way of `pull`. False as well where the content breaks off: the client may then send it itself. */
export function createTakeUpstream({ pull, transfers, content }: TakeUpstreamDeps): TakeUpstream {
  async function isTaken(image: ImageName, { digest, mediaType }: Descriptor): Promise<boolean> {
    const { registry, repository } = image;
    if (isManifestType(mediaType)) {
      const reference = { registry, repository, digest };
      return (await pull.manifest({ kind: 'manifest', image, reference })).found;
    }
    const taken = await takeBlob(pull, { kind: 'blob', image, digest }).catch(() => undefined);
    await transfers.settled(digest);
    return taken?.ok === true;
  }

  return async (image, descriptor, kept) => {
    if (!(await isTaken(image, descriptor))) return false;
    await content.mountBlob(image.name, descriptor.digest, kept);
    return true;
  };
}
