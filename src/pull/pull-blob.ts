/**
 * Blobs. Words: an image is *linked* to a blob if it may serve it, because its own endpoints had it. A blob is *described* if a manifest
 * of the image lists it, with its size. To *confirm* is to ask this image's own endpoints by HEAD, and to link the image if they have
 * the blob (`confirm-blob.ts`). `get` takes these steps until one gives the answer:
 *
 *   1  stored, and linked ...................... from the store
 *   2  absent a moment ago ..................... 404, no endpoint is asked
 *   3  last bytes wanted, and size unknown ..... confirm, for the size; then on
 *   4  stored, but not linked .................. confirm; confirmed: from the store. Else that is the answer
 *   5  stored and linked by now ................ from the store
 *      in a bucket, but not linked ............. confirm; then on: the bucket is asked for an image that is linked
 *   6  on its way, for other images only ....... confirm; confirmed: from the store, or that transfer may be joined. Else on
 *   7  else .................................... this image's own transfer, joined or started (`open-transfer.ts`)
 *
 * `head` asks fewer questions: 1 and 2, then the size from a manifest or from this image's own transfer, else confirm.
 *
 * Between two steps a blob may be stored or evicted. So each result is only a reason to try the next step, and the link is looked up
 * again after step 7.
 */
import type { Cache } from '../cache/cache.ts';
import type { Clock } from '../lib/clock.ts';
import type { Digest } from '../oci/digest.ts';
import type { BlobTarget } from '../routing/target.ts';
import type { Transfers } from '../transfer/transfers.ts';
import type { UpstreamInForce } from '../upstream/upstream-in-force.ts';
import { createBlobSource } from './blob-source.ts';
import { createConfirmBlob } from './confirm-blob.ts';
import type { NegativeCache } from './negative-cache.ts';
import { type AdmitBlob, createOpenTransfer, type KnownBlob } from './open-transfer.ts';
import type { BlobContent, BlobHead, Pulled } from './pull.ts';
import { openStoredBlob } from './stored-blob.ts';

export interface PullBlobDeps {
  readonly cache: Cache;
  readonly inForce: UpstreamInForce;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly absences: NegativeCache;
  /** ms after which the answer to the client begins, if a manifest tells the size, though no endpoint has answered yet. */
  readonly headersBy: number;
}

export interface PullBlob {
  head(target: BlobTarget): Promise<Pulled<BlobHead>>;
  get(target: BlobTarget): Promise<Pulled<BlobContent>>;
  /** Steps 1 to 6: the answer, or what is known for step 7. */
  locate(target: BlobTarget): Promise<Pulled<BlobContent> | KnownBlob>;
  /** Step 7, for a caller that does not read: joins or starts the transfer. */
  readonly admit: AdmitBlob;
}

/** `head` and `get` reject with EntrepotError REWRITE_INVALID if the configuration makes no valid name of the image at an endpoint. */
export function createPullBlob(deps: PullBlobDeps): PullBlob {
  const { cache, transfers, absences, inForce } = deps;
  const confirm = createConfirmBlob(deps);
  const { admit, answer } = createOpenTransfer(deps, confirm);

  /** As `confirm`. If every endpoint says 404, that is remembered for step 2 of the next requests. */
  const confirmAndRemember: typeof confirm = async (image, digest, described) => {
    const asked = await confirm(image, digest, described);
    if (!asked.found && asked.verdict.kind === 'notFound') absences.add(image.name, digest, asked.trail);
    return asked;
  };

  function rememberedAbsence(name: string, digest: Digest): Pulled<never> | undefined {
    const trail = absences.get(name, digest);
    return trail && { found: false, verdict: { kind: 'notFound' }, trail };
  }

  const fromStore = (name: string, digest: Digest) => openStoredBlob(cache, name, digest);

  async function head({ image, digest, byPeer }: BlobTarget): Promise<Pulled<BlobHead>> {
    const stored = await fromStore(image.name, digest);
    if (stored) {
      stored.value.close();
      return { ...stored, value: { digest, size: stored.value.size } };
    }
    const absent = rememberedAbsence(image.name, digest);
    if (absent) return absent;
    const { described, linked } = await cache.find(image.name, digest);
    // A blob with URLs of its own (`isElsewhere`) may be missing in the registry: a manifest is no proof of it. A peer wants one.
    if (described && !described.isElsewhere && !byPeer) {
      return { found: true, value: { digest, size: described.size }, cache: 'hit', trail: [] };
    }
    const size = linked
      ? transfers.announcedSizeTo(createBlobSource(deps, image, digest), digest)
      : undefined;
    if (size !== undefined) return { found: true, value: { digest, size }, cache: 'joined', trail: [] };
    return confirmAndRemember(image, digest, undefined);
  }

  async function locate(target: BlobTarget): Promise<Pulled<BlobContent> | KnownBlob> {
    const { image, digest, ranges } = target;
    const { name } = image;
    const stored = await fromStore(name, digest);
    if (stored) return stored;
    const absent = rememberedAbsence(name, digest);
    if (absent) return absent;

    let found = await cache.find(name, digest);
    const { described } = found;
    let size = described?.size;
    if (size === undefined && ranges?.[0] && 'suffix' in ranges[0]) {
      const asked = await confirmAndRemember(image, digest, described);
      if (asked.found) size = asked.value.size;
      found = await cache.find(name, digest);
    }

    if (found.content && !found.linked) {
      const asked = await confirmAndRemember(image, digest, described);
      if (!asked.found) return asked;
      const linked = await fromStore(name, digest);
      if (linked) return { ...linked, cache: 'revalidated', trail: asked.trail };
      // It was evicted meanwhile.
      found = await cache.find(name, digest);
    }
    if (found.content && found.linked) {
      const arrived = await fromStore(name, digest);
      if (arrived) return arrived;
    }

    const source = createBlobSource(deps, image, digest);
    if (!found.linked && (await inForce.current.isInBucket(image, digest))) {
      await confirm(image, digest, described);
      found = await cache.find(name, digest);
    }
    const mayReadVerified = found.linked && transfers.isVerified(digest);
    let isLinked = found.linked;
    let confirmed: number | undefined;
    if (!mayReadVerified && transfers.couldJoin(source, digest)) {
      // If it is not confirmed, that is no answer yet, and nothing to remember: the GET of step 7 decides.
      const asked = await confirm(image, digest, described);
      if (asked.found) {
        const arrived = await fromStore(name, digest);
        if (arrived) return { ...arrived, cache: 'revalidated', trail: asked.trail };
        isLinked = true;
        confirmed = asked.value.size;
      }
    }
    return { source, described, size, confirmed, isLinked };
  }

  async function get(target: BlobTarget): Promise<Pulled<BlobContent>> {
    const located = await locate(target);
    return 'found' in located ? located : answer(target, located);
  }

  return { head, get, locate, admit };
}
