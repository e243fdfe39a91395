/**
 * Blobs. In this order, until one gives the blob:
 *
 *   stored, linked ........................... the store
 *   absent a moment ago ...................... 404, no endpoint is asked
 *   stored, linked for other images only ..... a HEAD at this image's own endpoints: if they have it, the store
 *   on its way for other images only ......... the same HEAD; if they have it, that transfer can be joined
 *   else ..................................... this image's own transfer, joined or started
 *
 * Between two of these questions anything can happen: a blob is stored, or evicted. So each answer is only a reason to try the next
 * step, and the link is looked up again after a transfer was joined (`open-transfer.ts`).
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
import { createOpenTransfer } from './open-transfer.ts';
import type { BlobContent, BlobHead, Pulled } from './pull.ts';

export interface PullBlobDeps {
  readonly cache: Cache;
  readonly inForce: UpstreamInForce;
  readonly transfers: Transfers;
  readonly clock: Clock;
  readonly absences: NegativeCache;
  /** ms without an answer after which a blob of known size is begun all the same. */
  readonly headersBy: number;
}

export interface PullBlob {
  head(target: BlobTarget): Promise<Pulled<BlobHead>>;
  get(target: BlobTarget): Promise<Pulled<BlobContent>>;
}

type FoundBlob = Pulled<BlobContent> & { readonly found: true };

/** Both reject with bugs, and with REWRITE_INVALID of the configuration. */
export function createPullBlob(deps: PullBlobDeps): PullBlob {
  const { cache, transfers, absences } = deps;
  const confirm = createConfirmBlob(deps);
  const openTransfer = createOpenTransfer(deps, confirm);

  /** What is confirmed to be absent is remembered. */
  const ask: typeof confirm = async (image, digest, described) => {
    const asked = await confirm(image, digest, described);
    if (!asked.found && asked.verdict.kind === 'notFound') absences.add(image.name, digest, asked.trail);
    return asked;
  };

  async function fromStore(name: string, digest: Digest): Promise<FoundBlob | undefined> {
    const stored = await cache.open(name, digest);
    if (!stored) return undefined;
    const value: BlobContent = {
      digest,
      size: stored.size,
      open: (start, end) => stored.stream(start, end ?? stored.size),
      close: () => stored.close(),
    };
    return { found: true, value, cache: 'hit', trail: [] };
  }

  async function head({ image, digest }: BlobTarget): Promise<Pulled<BlobHead>> {
    const stored = await fromStore(image.name, digest);
    if (stored) {
      stored.value.close();
      return { ...stored, value: { digest, size: stored.value.size } };
    }
    const missing = absences.get(image.name, digest);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };
    const { described, linked } = await cache.find(image.name, digest);
    if (described && !described.isElsewhere) {
      return { found: true, value: { digest, size: described.size }, cache: 'hit', trail: [] };
    }
    const size = linked
      ? transfers.announcedSizeTo(createBlobSource(deps, image, digest), digest)
      : undefined;
    if (size !== undefined) return { found: true, value: { digest, size }, cache: 'joined', trail: [] };
    return ask(image, digest, undefined);
  }

  async function get(target: BlobTarget): Promise<Pulled<BlobContent>> {
    const { image, digest, ranges } = target;
    const { name } = image;
    const stored = await fromStore(name, digest);
    if (stored) return stored;
    const missing = absences.get(name, digest);
    if (missing) return { found: false, verdict: { kind: 'notFound' }, trail: missing };

    let found = await cache.find(name, digest);
    const { described } = found;
    let size = described?.size;
    // The last bytes of a blob of unknown size can only be found by asking for the size.
    if (size === undefined && ranges?.[0] && 'suffix' in ranges[0]) {
      const asked = await ask(image, digest, described);
      size = asked.found ? asked.value.size : undefined;
      found = await cache.find(name, digest);
    }
    if (found.content && !found.linked) {
      const asked = await ask(image, digest, described);
      if (!asked.found) return asked;
      const linked = await fromStore(name, digest);
      if (linked) return { ...linked, cache: 'revalidated', trail: asked.trail };
      found = await cache.find(name, digest);
    }
    if (found.content && found.linked) {
      const arrived = await fromStore(name, digest);
      if (arrived) return arrived;
    }
    const source = createBlobSource(deps, image, digest);
    let isLinked = found.linked;
    let confirmed: number | undefined;
    if (!(isLinked && transfers.isVerified(digest)) && transfers.couldJoin(source, digest)) {
      const asked = await confirm(image, digest, described);
      if (asked.found) {
        const arrived = await fromStore(name, digest);
        if (arrived) return { ...arrived, cache: 'revalidated', trail: asked.trail };
        isLinked = true;
        confirmed = asked.value.size;
      }
    }
    return openTransfer(target, { source, described, size, confirmed, isLinked });
  }

  return { head, get };
}
