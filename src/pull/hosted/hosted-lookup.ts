/**
 * Looks for content of a `[[push]]` image where hosted content is: stored here, in a bucket, or on the disk of another replica. Where none of
 * these has it, this replica hears what others were pushed a moment ago, and looks once more; then endpoints are asked, unless the mode
 * is `local`.
 */
import type { Cache } from '../../cache/cache.ts';
import type { HostedContent } from '../../cache/hosted-content.ts';
import type { Agreement } from '../../cache/shared/agreement.ts';
import type { PushRule } from '../../config/config.ts';
import type { Digest } from '../../oci/digest.ts';
import type { Tag } from '../../oci/reference.ts';
import type { BlobTarget, ImageName, ManifestTarget } from '../../routing/target.ts';
import type { BlobContent, BlobHead, ManifestContent, Pulled } from '../pull.ts';
import type { Recall } from '../recall.ts';
import { openStoredBlob } from '../stored-blob.ts';

export interface HostedLookupDeps {
  readonly cache: Pick<Cache, 'manifest' | 'open'>;
  readonly content: Pick<HostedContent, 'isPushed'>;
  /** Hosted content that is not stored here. */
  readonly recall: Recall;
  readonly heard: Agreement['heard'];
  readonly modeOf: (image: ImageName) => PushRule['mode'] | undefined;
  /** What a hosted tag points to. */
  readonly hostedTag: (image: string, tag: Tag) => Promise<Digest | undefined>;
  /** Whether the tag of an endpoint is in the cache. */
  readonly hasTag: (image: string, tag: Tag) => Promise<boolean>;
}

type Otherwise<T> = () => Promise<Pulled<T>>;

export interface HostedLookup {
  /** What is stored here alone. Undefined: it is not. */
  readonly stored: {
    manifest(target: ManifestTarget): Promise<Pulled<ManifestContent> | undefined>;
    headBlob(target: BlobTarget): Promise<Pulled<BlobHead> | undefined>;
    blob(target: BlobTarget): Promise<Pulled<BlobContent> | undefined>;
  };
  /** `otherwise`: what endpoints say. */
  manifest(target: ManifestTarget, otherwise: Otherwise<ManifestContent>): Promise<Pulled<ManifestContent>>;
  headBlob(target: BlobTarget, otherwise: Otherwise<BlobHead>): Promise<Pulled<BlobHead>>;
  blob(target: BlobTarget, otherwise: Otherwise<BlobContent>): Promise<Pulled<BlobContent>>;
}

/** It is not here, and no endpoint may be asked. */
export const absent: Pulled<never> = {
  found: false,
  verdict: { kind: 'notFound', isLocal: true },
  trail: [],
};

/** Its functions reject when the index or the disk cannot be read. */
export function createHostedLookup(deps: HostedLookupDeps): HostedLookup {
  const { cache, recall, heard, modeOf, hostedTag, hasTag } = deps;

  const isHosted = async (image: ImageName, digest: Digest) =>
    modeOf(image) === 'local' || (await deps.content.isPushed(image.name, digest)) === true;

  const stored: HostedLookup['stored'] = {
    manifest: ({ image, reference: { digest } }) => storedManifest(image, digest),
    async headBlob({ image, digest }) {
      const found = await openStoredBlob(cache, image.name, digest);
      found?.value.close();
      return found && { ...found, value: { digest, size: found.value.size } };
    },
    // Not by way of `pull`, which asks endpoints when the file turns out to be damaged.
    blob: ({ image, digest }) => openStoredBlob(cache, image.name, digest),
  };

  async function storedManifest(
    image: ImageName,
    digest: Digest | undefined,
  ): Promise<Pulled<ManifestContent> | undefined> {
    const value = digest && (await cache.manifest(image.name, digest));
    return value && { found: true, value, cache: 'hit', trail: [] };
  }

  /** Undefined where the image has it not by a push. */
  async function hostedManifest(target: ManifestTarget): Promise<Pulled<ManifestContent> | undefined> {
    const { image, reference } = target;
    const { tag } = reference;
    const digest = tag === undefined ? reference.digest : await hostedTag(image.name, tag);
    if (digest === undefined) return undefined;
    const here = await storedManifest(image, digest);
    if (here) return here;
    const isMeant = tag !== undefined || (await isHosted(image, digest));
    return isMeant ? recall.manifest(target, digest) : undefined;
  }

  /** A hit waits for nothing, and what a peer asks for was heard there. */
  async function isWarm({ byPeer, image, ...target }: ManifestTarget | BlobTarget): Promise<boolean> {
    if (byPeer) return true;
    const tag = target.kind === 'manifest' ? target.reference.tag : undefined;
    return tag !== undefined && modeOf(image) !== 'local' && (await hasTag(image.name, tag));
  }

  async function hostedOr<T>(
    target: ManifestTarget | BlobTarget,
    look: () => Promise<Pulled<T> | undefined>,
    otherwise: Otherwise<T>,
  ): Promise<Pulled<T>> {
    let known = await look();
    if (isAbsent(known) && !(await isWarm(target)) && (await heard())) known = await look();
    if (known?.found) return known;
    if (modeOf(target.image) === 'local') return known ?? absent;
    // What a hosted tag means, endpoints do not know: they are not asked where none can tell.
    const isTag = target.kind === 'manifest' && target.reference.tag !== undefined;
    if (isTag && known && !isAbsent(known)) return known;
    const pulled = await otherwise();
    // 404 would be a lie while a bucket or a replica cannot tell.
    return known && !isAbsent(known) && isAbsent(pulled) ? known : pulled;
  }

  const blobOr = <T>(
    target: BlobTarget,
    here: (target: BlobTarget) => Promise<Pulled<T> | undefined>,
    recalled: (target: BlobTarget) => Promise<Pulled<T>>,
    otherwise: Otherwise<T>,
  ) => {
    const { image, digest } = target;
    const look = async () =>
      (await here(target)) ?? ((await isHosted(image, digest)) ? recalled(target) : undefined);
    return hostedOr(target, look, otherwise);
  };

  return {
    stored,
    manifest: (target, otherwise) => hostedOr(target, () => hostedManifest(target), otherwise),
    headBlob: (target, otherwise) => blobOr(target, stored.headBlob, recall.headBlob, otherwise),
    blob: (target, otherwise) => blobOr(target, stored.blob, recall.blob, otherwise),
  };
}

function isAbsent(pulled: Pulled<unknown> | undefined): boolean {
  return !pulled || (!pulled.found && pulled.verdict.kind === 'notFound');
}
